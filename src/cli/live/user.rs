//! Users of this host, by the file that names them (passwd(5)).

use std::fs;

/// A user to go on as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct User {
    /// User id.
    pub(super) uid: u32,
    /// Id of its group.
    pub(super) gid: u32,
}

impl User {
    /// The user of this name or number; none where /etc/passwd has no such one.
    pub(super) fn find(name: &str) -> Option<Self> {
        Self::in_table(&fs::read_to_string("/etc/passwd").unwrap_or_default(), name)
    }

    /// name:password:uid:gid:...
    fn in_table(table: &str, name: &str) -> Option<Self> {
        let by_number = name.parse::<u32>().ok();
        let found = table.lines().find_map(|line| {
            let mut fields = line.split(':');
            let named = fields.next()? == name;
            let (uid, gid) = (fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?);
            (named || by_number == Some(uid)).then_some(Self { uid, gid })
        });
        // A number needs no entry: containers have users without one.
        found.or(by_number.map(|uid| Self { uid, gid: uid }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_found_by_name_and_by_number() {
        let table = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65533:nobody:/:/bin/false\n";
        assert_eq!(User::in_table(table, "nobody"), Some(User { uid: 65_534, gid: 65_533 }));
        assert_eq!(User::in_table(table, "65534"), Some(User { uid: 65_534, gid: 65_533 }));
        assert_eq!(User::in_table(table, "1000"), Some(User { uid: 1_000, gid: 1_000 }));
        assert_eq!(User::in_table(table, "somebody"), None);
    }
}
