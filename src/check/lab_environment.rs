//! The environment `lab`: built in, so that every policy runs on a laptop without a line of configuration.

use super::signatures::Role;
use crate::plan::binding::FLAG_NAME;
use crate::plan::{Arg, Binding, Millis};
use std::collections::BTreeMap;

/// Its name.
pub(super) const NAME: &str = "lab";

/// How often the lab's pages are read.
pub(super) const SCRAPE: Millis = 1000;

/// The lab's backend for a name in a role; there is no store of its own. The flags of a group are told apart in its key.
pub(super) fn binding(name: &str, role: Role, group: bool) -> Option<Binding> {
    let mut args = BTreeMap::new();
    let backend = match role {
        Role::Metrics => "lab_scrape",
        Role::Traffic => "lab_traffic",
        Role::Flag => {
            let key = if group { format!("{name}.{FLAG_NAME}") } else { name.to_owned() };
            args.insert(String::from("key"), Arg::Text(key));
            "lab_flag"
        }
        Role::Action => "lab_action",
        Role::Channel => "lab_channel",
        Role::Requests => "lab_http",
        Role::Store | Role::Evidence => return None,
    };
    Some(Binding { backend: backend.to_owned(), args, place: String::from("built in") })
}

/// What `${where}` is for each population: the lab labels its two services so.
pub(super) fn variants() -> BTreeMap<String, String> {
    [("canary", "version=\"v2\""), ("stable", "version=\"v1\""), ("all", "")]
        .into_iter()
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .collect()
}
