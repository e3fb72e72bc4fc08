//! Expanded names as numbers: every name that a schema set speaks of has a symbol.

use std::collections::HashMap;
use std::sync::Arc;

/// A namespace of the set. Those that no schema names are [`UNKNOWN`].
pub(super) type NamespaceId = u32;
/// An expanded name of the set.
pub(super) type Symbol = u32;

/// No number: a namespace or name that the set does not know, or nothing at all.
pub(super) const UNKNOWN: u32 = u32::MAX;
/// No namespace.
pub(super) const NO_NAMESPACE: NamespaceId = 0;
/// The namespace of `xsi:type`.
pub(super) const XSI_NAMESPACE: NamespaceId = 1;

/// The names of a set.
///
/// Looked up once for every element and attribute of every message, so it is a table of its own: open
/// addressing over a fixed set of names, filled at most half. Senders cannot make it slow, since they
/// cannot add to it.
#[derive(Debug, Default)]
pub(super) struct Names {
    uris: Vec<Arc<str>>,
    by_uri: HashMap<Arc<str>, NamespaceId, foldhash::fast::FixedState>,
    symbols: Vec<(NamespaceId, Box<str>)>,
    slots: Vec<Symbol>,
}

impl Names {
    pub(super) fn new() -> Self {
        let mut names = Self { slots: vec![UNKNOWN; 64], ..Self::default() };
        names.intern_uri("");
        names.intern_uri(super::model::XSI);
        names
    }

    pub(super) fn intern_uri(&mut self, uri: &str) -> NamespaceId {
        if let Some(&known) = self.by_uri.get(uri) {
            return known;
        }
        let id = u32::try_from(self.uris.len()).unwrap_or(UNKNOWN);
        let uri: Arc<str> = uri.into();
        self.uris.push(uri.clone());
        self.by_uri.insert(uri, id);
        id
    }

    pub(super) fn intern(&mut self, uri: &str, local: &str) -> Symbol {
        let namespace = self.intern_uri(uri);
        let known = self.symbol(namespace, local);
        if known != UNKNOWN {
            return known;
        }
        let symbol = u32::try_from(self.symbols.len()).unwrap_or(UNKNOWN);
        self.symbols.push((namespace, local.into()));
        if self.symbols.len() * 2 > self.slots.len() {
            self.slots = vec![UNKNOWN; self.slots.len() * 2];
            for symbol in 0..self.symbols.len() {
                self.place(u32::try_from(symbol).unwrap_or(UNKNOWN));
            }
        } else {
            self.place(symbol);
        }
        symbol
    }

    fn place(&mut self, symbol: Symbol) {
        let Some((namespace, local)) = self.symbols.get(symbol as usize) else { return };
        let mask = self.slots.len() - 1;
        let mut at = hash(*namespace, local) & mask;
        while self.slots.get(at).is_some_and(|s| *s != UNKNOWN) {
            at = (at + 1) & mask;
        }
        if let Some(slot) = self.slots.get_mut(at) {
            *slot = symbol;
        }
    }

    /// The number of a namespace.
    pub(super) fn namespace(&self, uri: &str) -> NamespaceId {
        self.by_uri.get(uri).copied().unwrap_or(UNKNOWN)
    }

    /// The symbol of a name.
    #[inline]
    pub(super) fn symbol(&self, namespace: NamespaceId, local: &str) -> Symbol {
        if namespace == UNKNOWN {
            return UNKNOWN;
        }
        let mask = self.slots.len() - 1;
        let mut at = hash(namespace, local) & mask;
        loop {
            let Some(&symbol) = self.slots.get(at) else { return UNKNOWN };
            let Some((n, l)) = self.symbols.get(symbol as usize) else { return UNKNOWN };
            if *n == namespace && **l == *local {
                return symbol;
            }
            at = (at + 1) & mask;
        }
    }

    pub(super) fn len(&self) -> usize {
        self.symbols.len()
    }

    pub(super) fn local(&self, symbol: Symbol) -> &str {
        self.symbols.get(symbol as usize).map_or("", |(_, local)| local)
    }

    pub(super) fn namespace_of(&self, symbol: Symbol) -> NamespaceId {
        self.symbols.get(symbol as usize).map_or(UNKNOWN, |(namespace, _)| *namespace)
    }

    pub(super) fn uri(&self, namespace: NamespaceId) -> &str {
        self.uris.get(namespace as usize).map_or("", |uri| uri)
    }
}

/// Multiply and rotate, eight bytes at a time; names are short.
#[inline]
fn hash(namespace: NamespaceId, local: &str) -> usize {
    const FACTOR: u64 = 0x9E37_79B9_7F4A_7C15;
    let (blocks, rest) = local.as_bytes().as_chunks::<8>();
    let mut h = u64::from(namespace).wrapping_add(local.len() as u64).wrapping_mul(FACTOR);
    for block in blocks {
        h = (h.rotate_left(23) ^ u64::from_le_bytes(*block)).wrapping_mul(FACTOR);
    }
    let tail = rest.iter().fold(0_u64, |tail, &b| tail << 8 | u64::from(b));
    h = (h.rotate_left(23) ^ tail).wrapping_mul(FACTOR);
    (h >> 32) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_every_name_again_and_no_other() {
        let mut names = Names::new();
        let symbols: Vec<Symbol> = (0..5_000).map(|i| names.intern("urn:a", &format!("Name{i}"))).collect();
        let a = names.namespace("urn:a");
        for (i, symbol) in symbols.iter().enumerate() {
            assert_eq!(names.symbol(a, &format!("Name{i}")), *symbol);
            assert_eq!(names.symbol(NO_NAMESPACE, &format!("Name{i}")), UNKNOWN);
        }
        assert_eq!(names.symbol(a, "Name5000"), UNKNOWN);
        assert_eq!(names.symbol(names.namespace("urn:b"), "Name1"), UNKNOWN);
        assert_eq!(names.len(), 5_000);
        assert_eq!(names.namespace(""), NO_NAMESPACE);
        assert_eq!(names.namespace(crate::schema::model::XSI), XSI_NAMESPACE);
    }
}
