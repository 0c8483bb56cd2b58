//! HAProxy: the weights of two servers of one backend, set and read over its stats socket.
//!
//! Commands and answers are those of HAProxy's management guide, section "Unix Socket commands": several commands may stand in
//! one line, separated by `;`; each answer ends with an empty line; `set server` says nothing on success and has no error
//! code, only text. Weights live in HAProxy's memory: a restart brings back those of its configuration file, which
//! [`Port::read`] then shows.
//!
//! - The share is that of two servers. A third server with a weight in the same backend takes its part from both and is not
//!   seen here: give the rollout a backend of its own.
//! - Weight 0 sends no new requests; clients pinned by a cookie or a stick table stay where they are.
//! - What is restored is the share, not the two numbers: 0 and 1 are restored as 0 and 100.

use super::share::representable;
use super::{BackendError, Port};
use crate::plan::Setting;
use async_trait::async_trait;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

/// How long one line of commands may take, from connecting to the end of its answers.
const PATIENCE: Duration = Duration::from_secs(2);
/// More than this is not an answer to what is asked here (`show servers state` is about 120 bytes a server).
const MAX_ANSWER: u64 = 1 << 20;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Address {
    Unix(PathBuf),
    Tcp(String),
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "{}", path.display()),
            Self::Tcp(to) => write!(f, "tcp {to}"),
        }
    }
}

/// The canary's share of a backend's traffic, as the weights of its two servers.
#[derive(Debug, Clone)]
pub struct Haproxy {
    address: Address,
    backend: String,
    canary: String,
    stable: String,
}

impl Haproxy {
    /// `socket` is a path, or `tcp host:port`; the socket needs `level admin` (or `operator`) to set weights.
    ///
    /// # Errors
    /// Names that HAProxy's command line could not tell apart from commands, and one server for both variants.
    pub fn new(socket: &str, backend: &str, canary: &str, stable: &str) -> Result<Self, BackendError> {
        for (what, name) in [("backend", backend), ("canary", canary), ("stable", stable)] {
            // what HAProxy itself allows in a proxy's or server's name; a `;` or a line break would begin another command
            let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:".contains(c);
            if name.is_empty() || !name.chars().all(plain) {
                return Err(BackendError::permanent(format!(
                    "haproxy: {what}: {name:?} is not a name that HAProxy can have"
                ))
                .help("names are letters, digits, `-`, `_`, `.` and `:`"));
            }
        }
        if canary == stable {
            return Err(BackendError::permanent(format!("haproxy: canary and stable are the same server {canary:?}"))
                .help("name the two servers of the backend that share its traffic"));
        }
        let address = match socket.strip_prefix("tcp ") {
            Some(to) => Address::Tcp(tcp_address(to.trim())?),
            None if socket.is_empty() => {
                return Err(BackendError::permanent("haproxy: the socket has no path")
                    .help("give the path of its `stats socket`, or \"tcp host:port\""));
            }
            None => Address::Unix(PathBuf::from(socket)),
        };
        Ok(Self { address, backend: backend.to_owned(), canary: canary.to_owned(), stable: stable.to_owned() })
    }

    /// The weights now: canary, stable.
    async fn weights(&self) -> Result<(u16, u16), BackendError> {
        let (b, c, s) = (&self.backend, &self.canary, &self.stable);
        let text = self.talk(&format!("get weight {b}/{c}; get weight {b}/{s}")).await?;
        let mut said = answers(&text).into_iter();
        let mut both = [0_u16; 2];
        for (slot, server) in both.iter_mut().zip([c, s]) {
            let answer = said.next().unwrap_or_default();
            match parse_weight(&answer) {
                Some(weight) => *slot = weight,
                None => return Err(self.refusal(&answer, server).await),
            }
        }
        let [canary, stable] = both;
        Ok((canary, stable))
    }

    fn line(&self, canary: u16, stable: u16, stable_first: bool) -> String {
        let one = |server: &str, w: u16| format!("set server {}/{server} weight {w}", self.backend);
        let (c, s) = (one(&self.canary, canary), one(&self.stable, stable));
        if stable_first { format!("{s}; {c}") } else { format!("{c}; {s}") }
    }

    fn pair(&self, to: Setting) -> Result<(u16, u16), BackendError> {
        let Setting::Share(share) = to else {
            return Err(BackendError::permanent(format!(
                "{}: traffic is a share, it cannot be set to `{to}`",
                self.describe()
            )));
        };
        representable(share).map_err(|why| BackendError::permanent(format!("{}: {why}", self.describe())))
    }

    /// Sends one line and returns all that is said to it.
    async fn talk(&self, line: &str) -> Result<String, BackendError> {
        let talking = async {
            match &self.address {
                Address::Unix(path) => exchange(UnixStream::connect(path).await?, line).await,
                Address::Tcp(to) => exchange(TcpStream::connect(to.as_str()).await?, line).await,
            }
        };
        match tokio::time::timeout(PATIENCE, talking).await {
            Ok(Ok(text)) => Ok(text),
            Ok(Err(e)) => Err(self.unreachable(&e)),
            Err(_) => Err(BackendError::transient(format!(
                "haproxy: no answer from {} within {}s",
                self.address,
                PATIENCE.as_secs()
            ))),
        }
    }

    fn unreachable(&self, e: &std::io::Error) -> BackendError {
        let at = &self.address;
        match e.kind() {
            // while HAProxy restarts there is no socket for a moment, or nobody behind it: both may pass
            ErrorKind::NotFound => BackendError::transient(format!("haproxy: no socket at {at}"))
                .help("is HAProxy running, with `stats socket` at this path?"),
            ErrorKind::ConnectionRefused => {
                BackendError::transient(format!("haproxy: nobody listens at {at}")).help("is HAProxy running?")
            }
            ErrorKind::PermissionDenied => BackendError::permanent(format!("haproxy: not allowed to open {at}"))
                .help("`stats socket … user` or `group` and `mode` decide who may"),
            ErrorKind::InvalidData => {
                BackendError::permanent(format!("haproxy: what answers at {at} is not HAProxy's stats socket"))
            }
            _ => BackendError::transient(format!("haproxy: {at}: {}", super::process::plain(e))),
        }
    }

    /// What HAProxy's words mean, with the servers that there are where that helps.
    async fn refusal(&self, said: &str, server: &str) -> BackendError {
        let (backend, at) = (&self.backend, &self.address);
        if said.starts_with("No such server") {
            let e = BackendError::permanent(format!("haproxy: no server {server:?} in backend {backend:?}"));
            let there = match self.talk(&format!("show servers state {backend}")).await {
                Ok(text) => server_names(&text),
                Err(_) => Vec::new(),
            };
            if there.is_empty() {
                return e;
            }
            return e.help(format!("its servers are {}", there.join(", ")));
        }
        if said.starts_with("No such backend") {
            return BackendError::permanent(format!("haproxy: no backend {backend:?} at {at}"))
                .help("`show backend` on the socket lists them");
        }
        if said.starts_with("Permission denied") {
            return BackendError::permanent(format!("haproxy: {at} may not set weights"))
                .help("give its `stats socket` line `level admin`");
        }
        if said.starts_with("Backend is using a static LB algorithm") {
            return BackendError::permanent(format!(
                "haproxy: backend {backend:?} balances by a static algorithm, whose weights cannot change"
            ))
            .help("use `balance roundrobin`, `leastconn`, or `hash-type consistent`");
        }
        let words = said.lines().next().unwrap_or("").trim();
        if words.is_empty() {
            return BackendError::transient(format!(
                "haproxy: {at} closed before it answered about {backend}/{server}"
            ));
        }
        BackendError::permanent(format!("haproxy: {backend}/{server}: {at} says {words:?}"))
    }
}

#[async_trait]
impl Port for Haproxy {
    async fn read(&self) -> Result<Setting, BackendError> {
        match self.weights().await? {
            (0, 0) => Err(BackendError::permanent(format!(
                "haproxy: both {} and {} of {} have weight 0: there is no traffic to share",
                self.canary, self.stable, self.backend
            ))
            .help(format!("give stable its weight back: {}", self.by_hand(Setting::Share(0.0))))),
            (c, s) => Ok(Setting::Share(f64::from(c) / (f64::from(c) + f64::from(s)))),
        }
    }

    async fn set(&self, to: Setting) -> Result<(), BackendError> {
        let (canary, stable) = self.pair(to)?;
        // asked first: an unknown server must not leave the other one changed. And the order of the two commands follows from
        // what was: stable first exactly when it rises. Then the share passes between the old and the new one without going
        // above both, and the two are never both at 0, where HAProxy would answer 503.
        let (_, before) = self.weights().await?;
        let stable_first = stable > before;
        let text = self.talk(&self.line(canary, stable, stable_first)).await?;
        let order = if stable_first { [&self.stable, &self.canary] } else { [&self.canary, &self.stable] };
        let said = answers(&text);
        for (i, server) in order.into_iter().enumerate() {
            match said.get(i).map(String::as_str) {
                Some("") => {}
                other => return Err(self.refusal(other.unwrap_or_default(), server).await),
            }
        }
        Ok(())
    }

    fn accepts(&self, to: Setting) -> Result<(), BackendError> {
        self.pair(to).map(|_| ())
    }

    fn by_hand(&self, to: Setting) -> String {
        match self.pair(to) {
            Ok((canary, stable)) => {
                // towards less exposure a person wants stable up first, as `set` does
                let line = self.line(canary, stable, stable >= canary);
                let target = match &self.address {
                    Address::Unix(path) => super::process::quoted(&path.to_string_lossy()),
                    Address::Tcp(at) => format!("tcp:{at}"),
                };
                format!("echo \"{line}\" | socat stdio {target}")
            }
            Err(e) => format!("# {e}"),
        }
    }

    fn describe(&self) -> String {
        format!("haproxy {} at {}", self.backend, self.address)
    }
}

fn tcp_address(to: &str) -> Result<String, BackendError> {
    let fine = to.rsplit_once(':').is_some_and(|(host, port)| {
        !host.is_empty()
            && port.parse::<u16>().is_ok_and(|p| p > 0)
            && host.chars().all(|c| c.is_ascii_alphanumeric() || "-_.:[]".contains(c))
    });
    if fine {
        Ok(to.to_owned())
    } else {
        Err(BackendError::permanent(format!("haproxy: {to:?} is not an address"))
            .help("write \"tcp host:port\", such as \"tcp 127.0.0.1:9999\""))
    }
}

/// One line there, everything back. Without `prompt` HAProxy closes after the answers to one line.
async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin, line: &str) -> std::io::Result<String> {
    stream.write_all(format!("{line}\n").as_bytes()).await?;
    let mut bytes = Vec::new();
    let n = (&mut stream).take(MAX_ANSWER + 1).read_to_end(&mut bytes).await?;
    if n as u64 > MAX_ANSWER {
        return Err(ErrorKind::InvalidData.into());
    }
    String::from_utf8(bytes).map_err(|_| ErrorKind::InvalidData.into())
}

/// The answers in the order of the commands: each ends with an empty line, and silence is an empty line alone.
fn answers(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut current = String::new();
    for line in text.lines() {
        if line.is_empty() {
            out.push(std::mem::take(&mut current));
        } else {
            if !current.is_empty() {
                current.push('\n');
            }
            current.push_str(line);
        }
    }
    if !current.is_empty() {
        out.push(current);
    }
    out
}

/// `25 (initial 1)` → 25.
fn parse_weight(answer: &str) -> Option<u16> {
    let (now, rest) = answer.split_once(' ')?;
    rest.starts_with("(initial ").then_some(())?;
    now.parse().ok().filter(|w| *w <= super::share::MAX_WEIGHT)
}

/// The fourth column of `show servers state` (format version 1).
fn server_names(state: &str) -> Vec<String> {
    state
        .lines()
        .filter(|l| !l.starts_with('#'))
        .filter_map(|l| l.split_whitespace().nth(3))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port() -> Haproxy {
        Haproxy::new("/run/haproxy/admin.sock", "be_checkout", "v2", "v1").unwrap()
    }

    #[test]
    fn answers_are_told_apart() {
        assert_eq!(answers("\n\n"), ["", ""]);
        assert_eq!(answers("No such server.\n\n\n"), ["No such server.", ""]);
        assert_eq!(answers("25 (initial 1)\n\n75 (initial 1)\n\n"), ["25 (initial 1)", "75 (initial 1)"]);
        assert_eq!(answers("cut"), ["cut"]);
        assert!(answers("").is_empty());
    }

    #[test]
    fn only_the_current_weight_is_read() {
        assert_eq!(parse_weight("25 (initial 1)"), Some(25));
        assert_eq!(parse_weight("0 (initial 100)"), Some(0));
        for bad in ["", "25", "No such server.", "257 (initial 1)", "-1 (initial 1)"] {
            assert_eq!(parse_weight(bad), None, "{bad}");
        }
    }

    #[test]
    fn names_that_would_be_commands_are_refused() {
        for name in ["", "a b", "a;shutdown", "a/b", "a\nb", "ä"] {
            let e = Haproxy::new("/s", name, "v2", "v1").unwrap_err();
            assert!(!e.transient && e.message.contains("backend"), "{e}");
        }
        assert!(Haproxy::new("/s", "be", "v1", "v1").is_err());
        assert!(Haproxy::new("", "be", "v2", "v1").is_err());
        for at in ["tcp ", "tcp host", "tcp :1", "tcp host:0", "tcp host:x", "tcp a b:1"] {
            assert!(Haproxy::new(at, "be", "v2", "v1").is_err(), "{at}");
        }
        let tcp = Haproxy::new("tcp 127.0.0.1:9999", "be", "v2", "v1").unwrap();
        assert_eq!(tcp.describe(), "haproxy be at tcp 127.0.0.1:9999");
        assert!(tcp.by_hand(Setting::Share(0.0)).ends_with("| socat stdio tcp:127.0.0.1:9999"));
    }

    #[test]
    fn by_hand_can_be_pasted() {
        assert_eq!(
            port().by_hand(Setting::Share(0.05)),
            "echo \"set server be_checkout/v1 weight 95; set server be_checkout/v2 weight 5\" | socat stdio /run/haproxy/admin.sock"
        );
        let odd = Haproxy::new("/run/my socket", "be", "v2", "v1").unwrap();
        assert!(odd.by_hand(Setting::Share(1.0)).ends_with("socat stdio '/run/my socket'"));
    }

    #[test]
    fn preflight_hears_of_impossible_settings() {
        assert_eq!(port().accepts(Setting::Share(0.5)), Ok(()));
        let e = port().accepts(Setting::Share(0.001)).unwrap_err();
        assert!(!e.transient && e.message.contains("0% and 0.4%"), "{e}");
        assert!(port().accepts(Setting::Bool(true)).is_err());
        assert!(port().accepts(Setting::Absent).is_err());
    }

    #[test]
    fn servers_are_listed_from_the_state() {
        let text = "1\n# be_id be_name srv_id srv_name\n2 be 1 v1 127.0.0.1 2\n2 be 2 v2 127.0.0.1 2\n";
        assert_eq!(server_names(text), ["v1", "v2"]);
        assert!(server_names("Can't find backend.\n").is_empty());
    }
}
