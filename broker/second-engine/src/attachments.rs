//! What `cid:` references resolve to, and the only thing that any reference can be resolved to: libxmlsec1 opens a URI
//! through callbacks, and these are all that it has.

use std::cell::RefCell;
use std::ffi::{CStr, c_char, c_int, c_void};

// The crate's bindings leave these two out (`xmlsec/io.h`).
unsafe extern "C" {
    fn xmlSecIOCleanupCallbacks();
    fn xmlSecIORegisterCallbacks(
        matches: unsafe extern "C" fn(*const c_char) -> c_int,
        open: unsafe extern "C" fn(*const c_char) -> *mut c_void,
        read: unsafe extern "C" fn(*mut c_void, *mut c_char, c_int) -> c_int,
        close: unsafe extern "C" fn(*mut c_void) -> c_int,
    ) -> c_int;
}

thread_local! {
    /// The attachments of the question in hand: the process has one thread, and one question at a time.
    static CURRENT: RefCell<Vec<(String, Vec<u8>)>> = const { RefCell::new(Vec::new()) };
}

/// Takes away libxmlsec1's ways to files and networks and gives it ours. After `xmlSecInit`.
pub(crate) fn install() -> bool {
    // SAFETY: the library is initialised; nothing is open yet.
    unsafe { xmlSecIOCleanupCallbacks() };
    // SAFETY: the four functions keep the contract of libxml2's input callbacks.
    unsafe { xmlSecIORegisterCallbacks(matches, open, read, close) == 0 }
}

/// Attachments that can be read as long as this lives.
pub(crate) struct Offered(());

/// Makes attachments readable for `cid:` references.
pub(crate) fn offer(attachments: &[(String, &[u8])]) -> Offered {
    CURRENT.with_borrow_mut(|c| *c = attachments.iter().map(|(id, b)| (id.clone(), b.to_vec())).collect());
    Offered(())
}

impl Drop for Offered {
    fn drop(&mut self) {
        CURRENT.with_borrow_mut(Vec::clear);
    }
}

/// Which of these Content-IDs a `cid:` URI names (RFC 2392): as it stands, or with its percent signs resolved.
pub(crate) fn named<'a>(uri: &str, mut ids: impl Iterator<Item = &'a str> + Clone) -> Option<usize> {
    let id = uri.strip_prefix("cid:")?;
    ids.clone().position(|i| i == id).or_else(|| {
        let plain = unescaped(id)?;
        ids.position(|i| i == plain)
    })
}

fn unescaped(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digit = |b: Option<u8>| char::from(b?).to_digit(16);
            let value = digit(rest.next())? * 16 + digit(rest.next())?;
            bytes.push(u8::try_from(value).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

/// Something that is being read.
struct Reading {
    bytes: Vec<u8>,
    at: usize,
}

/// # Safety
/// `uri` must be null, or a string of C.
unsafe fn find(uri: *const c_char) -> Option<Vec<u8>> {
    if uri.is_null() {
        return None;
    }
    // SAFETY: not null, and a string of C by the caller's promise.
    let uri = unsafe { CStr::from_ptr(uri) }.to_str().ok()?;
    CURRENT.with_borrow(|current| {
        let at = named(uri, current.iter().map(|(id, _)| id.as_str()))?;
        current.get(at).map(|(_, bytes)| bytes.clone())
    })
}

unsafe extern "C" fn matches(uri: *const c_char) -> c_int {
    // SAFETY: libxmlsec1 calls with a string of its own.
    c_int::from(unsafe { find(uri) }.is_some())
}

unsafe extern "C" fn open(uri: *const c_char) -> *mut c_void {
    // SAFETY: libxmlsec1 calls with a string of its own.
    match unsafe { find(uri) } {
        Some(bytes) => Box::into_raw(Box::new(Reading { bytes, at: 0 })).cast(),
        None => std::ptr::null_mut(),
    }
}

unsafe extern "C" fn read(context: *mut c_void, buffer: *mut c_char, room: c_int) -> c_int {
    // SAFETY: the context is what `open` gave, and is read by nobody else.
    let Some(reading) = (unsafe { context.cast::<Reading>().as_mut() }) else { return -1 };
    let Ok(room) = usize::try_from(room) else { return -1 };
    let rest = reading.bytes.get(reading.at..).unwrap_or_default();
    let part = rest.get(..room.min(rest.len())).unwrap_or_default();
    // SAFETY: `buffer` has `room` bytes, `part` no more than that, and they are apart.
    unsafe { std::ptr::copy_nonoverlapping(part.as_ptr().cast::<c_char>(), buffer, part.len()) };
    reading.at += part.len();
    c_int::try_from(part.len()).unwrap_or(-1)
}

unsafe extern "C" fn close(context: *mut c_void) -> c_int {
    if !context.is_null() {
        // SAFETY: the context is what `open` gave, and is closed once.
        drop(unsafe { Box::from_raw(context.cast::<Reading>()) });
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_names_a_part_as_it_stands_or_unescaped() {
        let ids = ["a@b", "x%41", "å b"];
        let find = |uri| named(uri, ids.into_iter());
        assert_eq!(find("cid:a@b"), Some(0));
        assert_eq!(find("cid:a%40b"), Some(0));
        assert_eq!(find("cid:x%41"), Some(1));
        assert_eq!(find("cid:%C3%A5%20b"), Some(2));
        assert_eq!(find("cid:"), None);
        assert_eq!(find("a@b"), None);
        assert_eq!(find("file:///etc/hostname"), None);
        assert_eq!(find("cid:%"), None);
        assert_eq!(find("cid:%zz"), None);
    }
}
