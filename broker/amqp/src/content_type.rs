//! What a content type says that the body is.

use broker_core::transport::Content;

/// Signed, and sealed for its receiver. Despite its name it is SignedData nested in EnvelopedData.
//= HITS 1216:2018 §2.3
//# application/pkcs7-mime; smime-type=signed-and-enveloped-data
pub const PROTECTED: &str = "application/pkcs7-mime; smime-type=signed-and-enveloped-data";

/// Reads a content type: case, blanks, quotes and further parameters do not matter.
#[must_use]
pub fn read(text: Option<&str>) -> Content {
    let Some(text) = text.map(str::trim).filter(|text| !text.is_empty()) else { return Content::Missing };
    let mut parts = text.split(';').map(str::trim);
    let media_type = parts.next().unwrap_or_default().to_ascii_lowercase();
    match media_type.as_str() {
        "text/plain" => Content::Plain,
        "application/soap+xml" => Content::Soap,
        "application/pkcs7-mime" | "application/x-pkcs7-mime" => {
            let kind = parts.filter_map(|part| part.split_once('=')).find_map(|(name, value)| {
                let named = name.trim().eq_ignore_ascii_case("smime-type");
                named.then(|| value.trim().trim_matches(['"', '\'']).to_ascii_lowercase())
            });
            if kind.as_deref() == Some("signed-and-enveloped-data") {
                Content::Protected
            } else {
                Content::Other
            }
        }
        _ => Content::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_kind_counts() {
        for form in [
            PROTECTED,
            "Application/PKCS7-MIME;SMIME-Type=\"Signed-And-Enveloped-Data\"",
            " application/x-pkcs7-mime ; name=a.p7m ; smime-type = signed-and-enveloped-data ",
        ] {
            assert_eq!(read(Some(form)), Content::Protected, "{form}");
        }
        assert_eq!(read(Some("application/pkcs7-mime; smime-type=enveloped-data")), Content::Other);
        assert_eq!(read(Some("application/pkcs7-mime")), Content::Other);
        assert_eq!(read(Some("text/plain; charset=utf-8")), Content::Plain);
        assert_eq!(read(Some("application/soap+xml")), Content::Soap);
        assert_eq!(read(Some("image/png")), Content::Other);
        assert_eq!(read(Some(" ")), Content::Missing);
        assert_eq!(read(None), Content::Missing);
    }
}
