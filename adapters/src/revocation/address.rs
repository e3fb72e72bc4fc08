//! Which addresses may be asked.

use axum::http::Uri;

/// The hosts that may be asked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Hosts {
    /// Any that a certificate of a trusted chain names.
    #[default]
    Any,
    /// These alone, without port.
    Only(Vec<String>),
}

/// The address, if it may be asked: `http` or `https`, a host that is allowed, no user or password in it.
pub(super) fn allowed(url: &str, hosts: &Hosts) -> Option<Uri> {
    /// An address longer than this is no address of a revocation service.
    const LONGEST: usize = 1024;
    if url.len() > LONGEST {
        return None;
    }
    let uri: Uri = url.parse().ok()?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return None;
    }
    let authority = uri.authority()?;
    if authority.as_str().contains('@') {
        return None;
    }
    let host = authority.host().trim_end_matches('.');
    let good = match hosts {
        Hosts::Any => !host.is_empty(),
        Hosts::Only(hosts) => hosts.iter().any(|h| h.eq_ignore_ascii_case(host)),
    };
    good.then_some(uri)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_web_addresses_of_allowed_hosts() {
        let only = Hosts::Only(vec!["crl.example.no".to_owned()]);
        for good in
            ["http://crl.example.no/a.crl", "https://CRL.example.no:8443/x", "http://crl.example.no./a"]
        {
            assert!(allowed(good, &only).is_some(), "{good}");
        }
        for bad in [
            "ldap://crl.example.no/cn=x",
            "file:///etc/passwd",
            "ftp://crl.example.no/a",
            "http://other.example.no/a",
            "http://user:word@crl.example.no/a",
            "http://crl.example.no@other.example.no/a",
            "crl.example.no/a",
            "/a",
            "",
        ] {
            assert!(allowed(bad, &only).is_none(), "{bad}");
        }
        assert!(allowed("http://anything.example.org/a", &Hosts::Any).is_some());
        let long = format!("http://crl.example.no/{}", "a".repeat(2000));
        assert!(allowed(&long, &Hosts::Any).is_none());
    }
}
