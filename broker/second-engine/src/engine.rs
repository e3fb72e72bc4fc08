//! libxmlsec1, started once and asked one thing at a time.

use crate::algorithms::{Algorithm, CANONICAL};
use crate::attachments;
use crate::document::Document;
use crate::frame::Question;
use crate::policy::{self, Expected, Refusal};
use std::cell::RefCell;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr::{self, NonNull};
use xmlsec::bindings as c;

type Errors = unsafe extern "C" fn(
    *const c_char,
    c_int,
    *const c_char,
    *const c_char,
    *const c_char,
    c_int,
    *const c_char,
);

// The crate's bindings leave this one out (`xmlsec/errors.h`).
unsafe extern "C" {
    fn xmlSecErrorsSetCallback(callback: Errors);
}

thread_local! {
    /// The first complaint of libxmlsec1 about the question in hand.
    static COMPLAINT: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// The library, started. It is never stopped: the end of the process does that.
pub(crate) struct Engine(());

impl Engine {
    /// Starts libxml2, libxmlsec1 and OpenSSL, and takes their ways to the outside from them.
    pub(crate) fn start() -> Option<Self> {
        // SAFETY: called once, first, with one thread.
        let ready = unsafe { c::xmlSecInit() == 0 };
        // SAFETY: as above; no configuration is named.
        let ready = ready && unsafe { c::xmlSecOpenSSLAppInit(ptr::null()) == 0 };
        // SAFETY: as above.
        let ready = ready && unsafe { c::xmlSecOpenSSLInit() == 0 };
        // SAFETY: the function keeps the contract of an external entity loader: it never gives one.
        unsafe { c::xmlSetExternalEntityLoader(Some(no_entity)) };
        // SAFETY: the function keeps the contract of an error callback; parsers have another of their own.
        unsafe { c::xmlSetStructuredErrorFunc(ptr::null_mut(), Some(keep_quiet)) };
        // SAFETY: the function keeps the contract of an error callback.
        unsafe { xmlSecErrorsSetCallback(complain) };
        (ready && attachments::install()).then_some(Self(()))
    }

    /// Which engine this is.
    pub(crate) fn version(&self) -> String {
        let version = CStr::from_bytes_with_nul(c::XMLSEC_VERSION).unwrap_or_default();
        format!("libxmlsec1 {}", version.to_string_lossy())
    }

    /// Whether the expected signature of a document is valid.
    ///
    /// # Errors
    /// Why it is not.
    pub(crate) fn verify(&self, question: &Question<'_>) -> Result<(), Refusal> {
        COMPLAINT.set(None);
        let document = Document::parse(question.document)?;
        let expected = policy::expect(&document, question)?;
        let _offered = attachments::offer(&question.attachments);
        let context = Context::new()?;
        context.allow(&expected, !question.attachments.is_empty())?;
        context.use_key_of(&question.certificate)?;
        context.verify(&expected)
    }
}

/// One verification; freed when dropped, with its key.
struct Context(NonNull<c::xmlSecDSigCtx>);

impl Context {
    fn new() -> Result<Self, Refusal> {
        // SAFETY: no manager of keys: there is no other key than the one given.
        NonNull::new(unsafe { c::xmlSecDSigCtxCreate(ptr::null_mut()) })
            .map(Self)
            .ok_or_else(|| Refusal::Unable("no memory for a verification".to_owned()))
    }

    /// Lets the library do what the policy has found, and nothing else.
    fn allow(&self, expected: &Expected<'_>, parts: bool) -> Result<(), Refusal> {
        let raw = self.0.as_ptr();
        // SAFETY: the context lives and is ours. A "remote" URI ends in our callbacks, which know only attachments.
        let context = unsafe { &mut *raw };
        context.enabledReferenceUris = c::xmlSecTransformUriTypeEmpty;
        if parts {
            context.enabledReferenceUris |= c::xmlSecTransformUriTypeRemote;
        }
        context.flags |=
            c::XMLSEC_DSIG_FLAGS_IGNORE_MANIFESTS | c::XMLSEC_DSIG_FLAGS_STORE_SIGNEDINFO_REFERENCES;
        let class = |algorithm: &Algorithm| {
            // SAFETY: these functions only give the address of a static description.
            unsafe { (algorithm.class)() }
        };
        let mut done = true;
        for algorithm in &expected.signing {
            // SAFETY: the context lives.
            done &= unsafe { c::xmlSecDSigCtxEnableSignatureTransform(raw, class(algorithm)) == 0 };
        }
        // A node set that is hashed without a transform is put into the inclusive form (XML Signature §4.3.3.2).
        for algorithm in expected.referring.iter().copied().chain(CANONICAL.first()) {
            // SAFETY: the context lives.
            done &= unsafe { c::xmlSecDSigCtxEnableReferenceTransform(raw, class(algorithm)) == 0 };
        }
        if done { Ok(()) } else { Err(Refusal::Unable("no memory for a verification".to_owned())) }
    }

    /// With a key in place, libxmlsec1 does not look for one in KeyInfo.
    fn use_key_of(&self, certificate: &[u8]) -> Result<(), Refusal> {
        let unable = || Refusal::Unable("the certificate cannot be read".to_owned());
        let size = u32::try_from(certificate.len()).map_err(|_| unable())?;
        // SAFETY: `certificate` has `size` bytes and is copied; a certificate in DER needs no password.
        let key = unsafe {
            c::xmlSecOpenSSLAppKeyLoadMemory(
                certificate.as_ptr(),
                size,
                c::xmlSecKeyDataFormat_xmlSecKeyDataFormatCertDer,
                ptr::null(),
                ptr::null_mut(),
                ptr::null_mut(),
            )
        };
        if key.is_null() {
            return Err(unable());
        }
        // SAFETY: the context lives, has no key yet, and frees this one.
        unsafe { (*self.0.as_ptr()).signKey = key };
        Ok(())
    }

    fn verify(&self, expected: &Expected<'_>) -> Result<(), Refusal> {
        let raw = self.0.as_ptr();
        // SAFETY: the context lives and was not used before; the node belongs to a live document.
        let result = unsafe { c::xmlSecDSigCtxVerify(raw, expected.signature.as_ptr()) };
        // SAFETY: the context lives; its list of references belongs to it.
        let (status, failed, done) = unsafe { outcome(raw) };
        if let Some(number) = failed {
            return Err(Refusal::Invalid(format!("digest of reference {number} differs")));
        }
        if result != 0 {
            let complaint = COMPLAINT.take().unwrap_or_else(|| "an unknown place".to_owned());
            return Err(Refusal::Invalid(format!("libxmlsec1 refuses it in {complaint}")));
        }
        if status != c::xmlSecDSigStatus_xmlSecDSigStatusSucceeded {
            return Err(Refusal::Invalid("the signature's value does not hold".to_owned()));
        }
        if done != expected.references {
            return Err(Refusal::Invalid("libxmlsec1 saw other references".to_owned()));
        }
        Ok(())
    }
}

/// Status of the signature, number of the first reference that does not hold, and how many hold.
///
/// # Safety
/// The context must live.
unsafe fn outcome(raw: *mut c::xmlSecDSigCtx) -> (c::xmlSecDSigStatus, Option<u32>, usize) {
    // SAFETY: the caller's promise.
    let context = unsafe { &mut *raw };
    let list: *mut c::xmlSecPtrList = &raw mut context.signedInfoReferences;
    // SAFETY: the list is part of the context.
    let size = unsafe { c::xmlSecPtrListGetSize(list) };
    let mut done = 0;
    for number in 0..size {
        // SAFETY: there are `size` entries, all contexts of references that the list owns.
        let reference =
            unsafe { c::xmlSecPtrListGetItem(list, number).cast::<c::xmlSecDSigReferenceCtx>().as_ref() };
        match reference.map(|r| r.status) {
            Some(c::xmlSecDSigStatus_xmlSecDSigStatusSucceeded) => done += 1,
            Some(c::xmlSecDSigStatus_xmlSecDSigStatusInvalid) => return (context.status, Some(number), done),
            _ => {}
        }
    }
    (context.status, None, done)
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: the context is ours, and nothing that it owns is used any more.
        unsafe { c::xmlSecDSigCtxDestroy(self.0.as_ptr()) }
    }
}

unsafe extern "C" fn no_entity(
    _: *const c_char,
    _: *const c_char,
    _: c::xmlParserCtxtPtr,
) -> c::xmlParserInputPtr {
    ptr::null_mut()
}

/// libxml2 would print its complaints, with words of the document in them.
unsafe extern "C" fn keep_quiet(_: *mut c_void, _: c::xmlErrorPtr) {}

/// Keeps the first complaint: which function, and its number for the reason. The rest may quote the document.
unsafe extern "C" fn complain(
    _: *const c_char,
    _: c_int,
    function: *const c_char,
    _: *const c_char,
    _: *const c_char,
    reason: c_int,
    _: *const c_char,
) {
    if function.is_null() {
        return;
    }
    // SAFETY: not null, and a name that was compiled in.
    let function = unsafe { CStr::from_ptr(function) }.to_string_lossy();
    COMPLAINT.with_borrow_mut(|c| {
        c.get_or_insert_with(|| format!("{function} (reason {reason})"));
    });
}
