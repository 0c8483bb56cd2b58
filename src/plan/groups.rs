//! Groups of flags as people see them: one line where all members agree, each by itself where they differ.

/// Puts the members of a group together that stand in a list and all say the same: `m4.a = on, m4.b = on` becomes
/// `m4 (2 flags) = on`, where the first of them stood. A member is known by the dot in its port's name.
#[must_use]
pub fn together<T: PartialEq + Clone>(list: &[(String, T)]) -> Vec<(String, T)> {
    let group = |name: &str| name.split_once('.').map(|(g, _)| g.to_owned());
    let mut out: Vec<(String, T)> = Vec::new();
    let mut done: Vec<String> = Vec::new();
    for (name, value) in list {
        let Some(g) = group(name) else {
            out.push((name.clone(), value.clone()));
            continue;
        };
        if done.contains(&g) {
            continue;
        }
        let members: Vec<&T> = list.iter().filter(|(n, _)| group(n).as_ref() == Some(&g)).map(|(_, v)| v).collect();
        if members.len() > 1 && members.iter().all(|m| *m == value) {
            out.push((format!("{g} ({} flags)", members.len()), value.clone()));
            done.push(g);
        } else {
            out.push((name.clone(), value.clone()));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::together;

    fn shown(list: &[(&str, bool)]) -> Vec<String> {
        let list: Vec<_> = list.iter().map(|(n, v)| ((*n).to_owned(), *v)).collect();
        together(&list).into_iter().map(|(n, v)| format!("{n}={v}")).collect()
    }

    #[test]
    fn members_that_agree_are_one_line() {
        assert_eq!(shown(&[("m4.a", true), ("x", true), ("m4.b", true)]), ["m4 (2 flags)=true", "x=true"]);
    }

    #[test]
    fn members_that_differ_and_a_single_one_stand_by_themselves() {
        assert_eq!(shown(&[("m4.a", true), ("m4.b", false)]), ["m4.a=true", "m4.b=false"]);
        assert_eq!(shown(&[("m4.a.b", true), ("x", false)]), ["m4.a.b=true", "x=false"]);
    }
}
