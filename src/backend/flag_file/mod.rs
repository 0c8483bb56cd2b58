//! Flags in a file: `json_file(path: "flags/x.json", key: "a/b")`, and the same in YAML, TOML and env files.
//!
//! One [`FlagDocument`] is one file; each [`FlagFile`] is one key of it. What is set at once is written at once: one lock, one
//! rename, one reload, or nothing. How a file is changed so that a reader never sees half of it, and two writers never lose an
//! update, stands in `file.rs`.
//!
//! A value that is set again to what was first read is written as it was first read (`50.0` stays `50.0`); that spelling is the
//! port's memento, which outlives the process. A file that already says what is asked is not touched.

mod file;
mod in_use;
mod reload;

use super::flag::FlagKind;
use super::flag_text::{Found, Glance, Key, spelling};
use super::{BackendError, Port, Shared, SharedWrite};
use crate::plan::Setting;
use async_trait::async_trait;
use file::Guarded;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

pub use super::flag_text::Format;
pub use in_use::InUse;
pub use reload::Reload;

/// How a key that is not there is written: no value of any format is written as nothing.
const ABSENT: &str = "";

/// One file with flags.
#[derive(Debug)]
pub struct FlagDocument {
    inner: Arc<Inner>,
    reload: Option<Reload>,
    /// What uses the file may not have read it as it is: true until a reload of this process has succeeded.
    stale: AtomicBool,
    /// Reads take turns: one that is given up still runs to its end, and those of a slow disk must not pile up.
    turn: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Debug)]
struct Inner {
    format: Format,
    file: Guarded,
    members: Mutex<Vec<Arc<Member>>>,
}

/// A key of the file.
#[derive(Debug)]
struct Member {
    key: Key,
    kind: FlagKind,
    /// The setting that was read first, and how it was written; [`ABSENT`] where it was not there.
    first: Mutex<Option<(Setting, String)>>,
    /// What this process has set it to.
    set: Mutex<Option<Setting>>,
}

/// One flag of a file.
#[derive(Debug, Clone)]
pub struct FlagFile {
    document: Arc<FlagDocument>,
    member: Arc<Member>,
    index: usize,
    in_use: Option<InUse>,
}

impl FlagDocument {
    /// A file. It is not opened yet.
    pub fn new(format: Format, path: impl Into<PathBuf>, reload: Option<Reload>) -> Arc<Self> {
        Arc::new(Self {
            inner: Arc::new(Inner { format, file: Guarded::new(format, path.into()), members: Mutex::default() }),
            reload,
            stale: AtomicBool::new(true),
            turn: Arc::default(),
        })
    }

    /// One of its flags. `key` names nested objects, outermost first, separated by `/` (`~1` is a slash in a name, `~0` a tilde,
    /// as in RFC 6901); in an env file, a variable. Ratios are kept as percentages: 50 is 50 %.
    ///
    /// # Errors
    /// A key that cannot be read.
    pub fn flag(self: &Arc<Self>, key: &str, kind: FlagKind, in_use: Option<InUse>) -> Result<FlagFile, BackendError> {
        let name = self.inner.format.name();
        let parsed = self.inner.format.key(key);
        let key = parsed.map_err(|why| BackendError::permanent(format!("{name}: the key {key:?} has {why}")))?;
        let member = Arc::new(Member { key, kind, first: Mutex::default(), set: Mutex::default() });
        let mut members = self.inner.members.lock().unwrap_or_else(PoisonError::into_inner);
        members.push(Arc::clone(&member));
        Ok(FlagFile { document: Arc::clone(self), member, index: members.len() - 1, in_use })
    }

    /// Whether the file is there, can be read, and can be written.
    ///
    /// # Errors
    /// Why not.
    pub fn ready(&self) -> Result<(), BackendError> {
        self.inner.file.load(self.inner.file.path())?;
        self.inner.file.replaceable()
    }

    /// Does file work where it may block. Dropped, the work stops before it changes anything, or has changed it.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner, &AtomicBool) -> Result<T, BackendError> + Send + 'static,
    ) -> Result<T, BackendError> {
        struct Cancel(Arc<AtomicBool>);
        impl Drop for Cancel {
            fn drop(&mut self) {
                self.0.store(true, Ordering::SeqCst);
            }
        }
        let given_up = Arc::new(AtomicBool::new(false));
        let _cancel = Cancel(Arc::clone(&given_up));
        let inner = Arc::clone(&self.inner);
        match tokio::task::spawn_blocking(move || work(&inner, &given_up)).await {
            Ok(result) => result,
            Err(_) => Err(BackendError::transient(format!("{}: the work was broken off", self.inner.format.name()))),
        }
    }
}

#[async_trait]
impl SharedWrite for FlagDocument {
    async fn write(&self, settings: &[(usize, Setting)], lowers: bool) -> Result<(), BackendError> {
        let settings = settings.to_vec();
        // whatever comes of it, also of a write that is given up while it waits, what runs may now differ from the file
        let before = self.stale.swap(true, Ordering::SeqCst);
        let changed = self.blocking(move |inner, given_up| inner.change(&settings, lowers, given_up)).await;
        if matches!(changed, Ok(false)) {
            self.stale.store(before, Ordering::SeqCst);
        }
        changed.map(|_| ())
    }

    async fn reload(&self) -> Result<(), BackendError> {
        let Some(reload) = &self.reload else { return Ok(()) };
        if !self.stale.load(Ordering::SeqCst) {
            return Ok(());
        }
        reload.run().await?;
        self.stale.store(false, Ordering::SeqCst);
        Ok(())
    }

    async fn read(&self, members: &[usize]) -> Vec<Result<Setting, BackendError>> {
        let wanted = members.to_vec();
        // as in `Port::read`: no lock, and one after the other
        let turn = Arc::clone(&self.turn).lock_owned().await;
        let read = self.blocking(move |inner, _| {
            let _turn = turn;
            let (text, _) = inner.file.load(inner.file.path())?;
            let all = inner.members.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let gone = || BackendError::permanent("no flag of this file");
            let members: Vec<Option<&Arc<Member>>> = wanted.iter().map(|i| all.get(*i)).collect();
            // one reading of the text for all of them, but for what there is something to tell of
            let seen = inner.glances(&text, &members.iter().copied().flatten().collect::<Vec<_>>());
            let mut seen = seen.into_iter();
            let one = |m: Option<&Arc<Member>>| {
                let m = m.ok_or_else(gone)?;
                match seen.next().flatten() {
                    Some((setting, raw)) => Ok(m.note_first(setting, &raw)),
                    None => inner.setting(&text, m),
                }
            };
            Ok(members.into_iter().map(one).collect())
        });
        match read.await {
            Ok(each) => each,
            Err(e) => members.iter().map(|_| Err(e.clone())).collect(),
        }
    }

    fn at_once(&self, lowers: bool) -> usize {
        match self.inner.format {
            // what cannot be raised together is tried one by one
            Format::Json if lowers => 5_000,
            Format::Json | Format::Yaml | Format::Toml | Format::Env => 250,
        }
    }

    fn reload_within(&self) -> Option<Duration> {
        self.reload.as_ref().map(Reload::within)
    }

    fn describe(&self) -> String {
        let path = self.inner.file.path().display();
        match &self.reload {
            Some(r) => format!("{} {path}, then {r}", self.inner.format.name()),
            None => format!("{} {path}", self.inner.format.name()),
        }
    }
}

impl FlagFile {
    /// Whether its file can be written at all.
    ///
    /// # Errors
    /// Why not.
    pub fn ready(&self) -> Result<(), BackendError> {
        self.document.inner.file.replaceable()
    }

    /// A flag in a file of its own.
    ///
    /// # Errors
    /// A key that cannot be read.
    pub fn new(format: Format, path: impl Into<PathBuf>, key: &str, kind: FlagKind) -> Result<Self, BackendError> {
        FlagDocument::new(format, path, None).flag(key, kind, None)
    }
}

#[async_trait]
impl Port for FlagFile {
    async fn read(&self) -> Result<Setting, BackendError> {
        let member = Arc::clone(&self.member);
        // no lock: a rename shows the old file or the new one, never a part
        let turn = Arc::clone(&self.document.turn).lock_owned().await;
        let written = self
            .document
            .blocking(move |inner, _| {
                let _turn = turn;
                let (text, _) = inner.file.load(inner.file.path())?;
                inner.setting(&text, &member)
            })
            .await?;
        let Some(in_use) = &self.in_use else { return Ok(written) };
        let used = in_use.read(self.member.kind).await?;
        if used.same(written) || (written == Setting::Absent && !used.exposes()) {
            return Ok(written);
        }
        let ours = *self.member.set.lock().unwrap_or_else(PoisonError::into_inner);
        if ours.is_some_and(|s| s.same(written)) {
            // the file says what we set, and what runs says what is so
            return Ok(used);
        }
        let message = format!("{}: the file says {written}, and what runs uses {used}", self.describe());
        Err(BackendError::transient(message).help(match &self.document.reload {
            Some(reload) => format!("{reload} lets it read the file anew"),
            None => String::from("restart what reads the file, or give the binding a `reload`"),
        }))
    }

    async fn set(&self, to: Setting) -> Result<(), BackendError> {
        self.document.write(&[(self.index, to)], false).await?;
        self.document.reload().await
    }

    fn shared(&self) -> Option<Shared> {
        Some(Shared {
            write: Arc::clone(&self.document) as Arc<dyn SharedWrite>,
            member: self.index,
            together: self.in_use.is_none(),
        })
    }

    fn memento(&self) -> Option<String> {
        let first = self.member.first.lock().unwrap_or_else(PoisonError::into_inner);
        first.as_ref().map(|(_, raw)| raw.clone())
    }

    fn remember(&self, memento: &str) {
        let setting = match memento {
            ABSENT => Some(Setting::Absent),
            raw => spelling::read(self.document.inner.format, self.member.kind, raw),
        };
        if let Some(setting) = setting {
            *self.member.first.lock().unwrap_or_else(PoisonError::into_inner) = Some((setting, memento.to_owned()));
        }
    }

    fn accepts(&self, to: Setting) -> Result<(), BackendError> {
        self.document.inner.accepts(&self.member, to)
    }

    fn by_hand(&self, to: Setting) -> String {
        let (path, key) = (self.document.inner.file.path().display(), &self.member.key);
        let edit = match self.member.written(self.document.inner.format, to, None) {
            Some(value) => format!("in {path}, set {key} to {value}"),
            None => format!("in {path}, remove {key}"),
        };
        match &self.document.reload {
            Some(reload) => format!("{edit}, then {reload}"),
            None => edit,
        }
    }

    fn describe(&self) -> String {
        let inner = &self.document.inner;
        format!("{} {} in {}", inner.format.name(), self.member.key, inner.file.path().display())
    }
}

impl Member {
    /// Notes what it is, if that is read for the first time.
    fn note_first(&self, setting: Setting, raw: &str) -> Setting {
        let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert_with(|| (setting, raw.to_owned()));
        setting
    }

    /// How a setting is written: as it was first read, if it is the same; `None` for absent.
    fn written(&self, format: Format, to: Setting, like: Option<&str>) -> Option<String> {
        let first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        match &*first {
            _ if to == Setting::Absent => None,
            Some((setting, raw)) if setting.same(to) => Some(raw.clone()),
            Some((_, raw)) if raw != ABSENT => spelling::write(format, self.kind, to, like.or(Some(raw))),
            _ => spelling::write(format, self.kind, to, like),
        }
    }

    /// Whether this puts back what was first read.
    fn restores(&self, to: Setting) -> bool {
        let first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        first.as_ref().map_or(to == Setting::Absent, |(setting, _)| setting.same(to))
    }
}

/// A member, and what it is to be.
type Wanted<'m> = (&'m Arc<Member>, Setting);

impl Inner {
    fn accepts(&self, member: &Member, to: Setting) -> Result<(), BackendError> {
        if to == Setting::Absent || member.kind.text(to).is_some() {
            return Ok(());
        }
        Err(BackendError::permanent(format!(
            "{} {} in {}: cannot be set to `{to}`: it holds {}",
            self.format.name(),
            member.key,
            self.file.path().display(),
            member.kind.expected()
        )))
    }

    fn broken<T>(&self, result: Result<T, String>) -> Result<T, BackendError> {
        let (name, path) = (self.format.name(), self.file.path().display());
        result.map_err(|why| BackendError::permanent(format!("{name}: {path}:{why}")))
    }

    fn setting(&self, text: &str, member: &Member) -> Result<Setting, BackendError> {
        let Some(Found { scalar, what, place }) = self.broken(self.format.find(text, &member.key))? else {
            return Ok(member.note_first(Setting::Absent, ABSENT));
        };
        let read = scalar.and_then(|raw| spelling::read(self.format, member.kind, &raw).map(|s| (s, raw)));
        let Some((setting, raw)) = read else {
            return Err(BackendError::permanent(format!(
                "{}: {}:{place}: {} was expected at {}, here is {what}",
                self.format.name(),
                self.file.path().display(),
                member.kind.expected(),
                member.key
            )));
        };
        Ok(member.note_first(setting, &raw))
    }

    /// What members are, and how that is written, read at once; none of those that have to be read by themselves.
    fn glances(&self, text: &str, members: &[&Arc<Member>]) -> Vec<Option<(Setting, String)>> {
        let keys: Vec<&Key> = members.iter().map(|m| &m.key).collect();
        let Some(seen) = self.format.glance(text, &keys) else { return vec![None; members.len()] };
        let read = |(m, at): (&&Arc<Member>, Glance)| match at {
            Glance::Absent => Some((Setting::Absent, ABSENT.to_owned())),
            Glance::Scalar(raw) => Some((spelling::read(self.format, m.kind, &raw)?, raw)),
            Glance::Other => None,
        };
        members.iter().zip(seen).map(read).collect()
    }

    /// The text with keys set at once, those of the settings that are in it, and those that have to be set one by one.
    fn with_many<'m>(&self, text: &str, settings: &[Wanted<'m>]) -> (String, Vec<Wanted<'m>>, Vec<Wanted<'m>>) {
        if settings.len() < 2 {
            return (text.to_owned(), Vec::new(), settings.to_vec());
        }
        let members: Vec<&Arc<Member>> = settings.iter().map(|(m, _)| *m).collect();
        let (mut edits, mut done, mut left) = (Vec::new(), Vec::new(), Vec::new());
        for ((m, to), seen) in settings.iter().zip(self.glances(text, &members)) {
            let Some((is, raw)) = seen.filter(|_| self.accepts(m, *to).is_ok()) else {
                left.push((*m, *to));
                continue;
            };
            m.note_first(is, &raw);
            if !is.same(*to) {
                let like = (is != Setting::Absent).then_some(raw.as_str());
                edits.push((&m.key, m.written(self.format, *to, like)));
            }
            done.push((*m, *to));
        }
        match self.format.edit_all(text, &edits) {
            Some(new) => (new, done, left),
            None => (text.to_owned(), Vec::new(), settings.to_vec()),
        }
    }

    /// Sets several keys in one write; whether the file had to be changed.
    fn change(&self, settings: &[(usize, Setting)], lowers: bool, given_up: &AtomicBool) -> Result<bool, BackendError> {
        let all = self.members.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let ours: Vec<Wanted<'_>> = settings.iter().filter_map(|(index, to)| Some((all.get(*index)?, *to))).collect();
        let mut troubles = Vec::new();
        let mut set = Vec::new();
        let changed = self.file.change(given_up, |text| {
            troubles = Vec::new();
            // key by key, each of a few thousand would read and write the whole text
            let (mut new, at_once, left) = self.with_many(text, &ours);
            set = at_once;
            for (member, to) in &left {
                match self.accepts(member, *to).and_then(|()| self.with(&new, member, *to)) {
                    Ok(text) => {
                        new = text;
                        set.push((*member, *to));
                    }
                    // what is raised is raised whole or not at all
                    Err(e) if lowers => troubles.push(e),
                    Err(e) => return Err(e),
                }
            }
            Ok(new)
        })?;
        for (member, to) in set {
            *member.set.lock().unwrap_or_else(PoisonError::into_inner) = Some(to);
        }
        match together(troubles) {
            Some(e) => Err(e),
            None => Ok(changed),
        }
    }

    /// The text with one key set.
    fn with(&self, text: &str, member: &Member, to: Setting) -> Result<String, BackendError> {
        let restores = member.restores(to);
        let like = match self.setting(text, member) {
            Ok(now) if now.same(to) => return Ok(text.to_owned()),
            Ok(_) => self.format.find(text, &member.key).ok().flatten().and_then(|f| f.scalar),
            // what was first read may be put back over anything that somebody else put there
            Err(_) if restores => None,
            Err(e) => return Err(e),
        };
        let value = member.written(self.format, to, like.as_deref());
        self.broken(self.format.edit(text, &member.key, value.as_deref()))
    }
}

/// Several errors as one: none of them is lost.
fn together(mut errors: Vec<BackendError>) -> Option<BackendError> {
    let mut first = if errors.is_empty() { return None } else { errors.remove(0) };
    for e in errors {
        if !first.message.contains(&e.message) {
            first.message = format!("{}; {}", first.message, e.message);
        }
        first.transient |= e.transient;
    }
    Some(first)
}

#[cfg(test)]
mod tests;
