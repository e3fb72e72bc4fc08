//! The zip file of a proof (PKWARE APPNOTE 6.3), in the one plain form that we write.
//!
//! Entries are stored and not compressed, follow each other without gaps, and are listed once, in the same order.
//! The reader takes that form and no other: what unpacks to more than it is, hides bytes between entries, names a
//! file twice or names a place outside cannot be written in it, so no two programs can read it differently.

use std::collections::BTreeSet;
use std::io::{Cursor, Write};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// One file in the archive.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Its name: `folder/name.ext`.
    pub name: &'a str,
    /// Its bytes.
    pub bytes: &'a [u8],
}

/// Why an archive cannot be read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It ends too early, or is no zip file.
    #[error("it is no zip file, or breaks off")]
    Broken,
    /// It is a zip file, but not of the form that proofs have.
    #[error("it is not in the form that proofs are written in: {0}; was it unpacked and packed again?")]
    Form(&'static str),
    /// An entry has a name that it must not have.
    #[error("an entry has a name that is not allowed")]
    Name,
    /// Two entries have one name.
    #[error("two entries have the same name")]
    Twice,
    /// It is too large for the plain form.
    #[error("it is too large")]
    TooLarge,
}

/// More entries than any proof has.
const ENTRIES: usize = 10_000;

const LOCAL: u32 = 0x0403_4b50;
const CENTRAL: u32 = 0x0201_4b50;
const END: u32 = 0x0605_4b50;

/// Writes an archive. The same entries give the same bytes.
///
/// # Errors
/// For names that the reader would refuse, and what is larger than 4 GB.
pub fn write(entries: &[Entry<'_>]) -> Result<Vec<u8>, Error> {
    let mut names = BTreeSet::new();
    for entry in entries {
        named(entry.name, &mut names)?;
    }
    let options =
        SimpleFileOptions::default().compression_method(CompressionMethod::Stored).unix_permissions(0o600);
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for entry in entries {
        zip.start_file(entry.name, options).map_err(|_| Error::TooLarge)?;
        zip.write_all(entry.bytes).map_err(|_| Error::TooLarge)?;
    }
    Ok(zip.finish().map_err(|_| Error::TooLarge)?.into_inner())
}

/// Reads an archive. What is given are slices of the file: nothing is unpacked.
///
/// # Errors
/// For everything that [`write()`] would not have written.
pub fn read(bytes: &[u8]) -> Result<Vec<Entry<'_>>, Error> {
    let mut from = Reader { bytes, at: 0 };
    let mut entries = Vec::new();
    let mut names = BTreeSet::new();
    let mut starts = Vec::new();
    while from.peek()? == LOCAL {
        if entries.len() == ENTRIES {
            return Err(Error::TooLarge);
        }
        starts.push(from.at);
        let entry = from.local()?;
        named(entry.name, &mut names)?;
        entries.push(entry);
    }
    let directory = from.at;
    for (entry, start) in entries.iter().zip(starts) {
        from.listed(entry, start)?;
    }
    let length = from.at - directory;
    from.end(entries.len(), directory, length)?;
    Ok(entries)
}

/// Names are short, plain, and of at most two parts: `manifest.json`, `receipts/1.xml`.
fn named<'a>(name: &'a str, names: &mut BTreeSet<&'a str>) -> Result<(), Error> {
    let plain = |part: &str| {
        !part.is_empty()
            && part.len() <= 100
            && !part.starts_with('.')
            && part
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_' | b'.'))
    };
    if name.split('/').count() > 2 || !name.split('/').all(plain) {
        return Err(Error::Name);
    }
    if names.insert(name) { Ok(()) } else { Err(Error::Twice) }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], Error> {
        let end = self.at.checked_add(length).ok_or(Error::Broken)?;
        let taken = self.bytes.get(self.at..end).ok_or(Error::Broken)?;
        self.at = end;
        Ok(taken)
    }

    fn u16(&mut self) -> Result<u16, Error> {
        self.take(2)?.try_into().map(u16::from_le_bytes).map_err(|_| Error::Broken)
    }

    fn u32(&mut self) -> Result<u32, Error> {
        self.take(4)?.try_into().map(u32::from_le_bytes).map_err(|_| Error::Broken)
    }

    fn length(&mut self) -> Result<usize, Error> {
        usize::try_from(self.u32()?).map_err(|_| Error::TooLarge)
    }

    fn peek(&mut self) -> Result<u32, Error> {
        let value = self.u32()?;
        self.at -= 4;
        Ok(value)
    }

    fn name(&mut self, length: usize) -> Result<&'a str, Error> {
        std::str::from_utf8(self.take(length)?).map_err(|_| Error::Name)
    }

    /// What local header and directory say alike: flags, method, time, checksum, sizes. Gives size and name length.
    fn common(&mut self) -> Result<(usize, usize), Error> {
        if self.u16()? & !UTF8 != 0 {
            return Err(Error::Form("an entry is encrypted, or its size stands elsewhere"));
        }
        if self.u16()? != 0 {
            return Err(Error::Form("an entry is compressed"));
        }
        self.take(8)?; // Time, date, CRC-32: the manifest holds a better hash.
        let (packed, size) = (self.length()?, self.length()?);
        if packed != size {
            return Err(Error::Form("an entry has two sizes"));
        }
        let name = self.u16()?;
        if self.u16()? != 0 {
            return Err(Error::Form("an entry has extra fields"));
        }
        Ok((size, usize::from(name)))
    }

    /// A local header (§4.3.7) and the bytes after it.
    fn local(&mut self) -> Result<Entry<'a>, Error> {
        self.take(6)?; // Signature, version needed.
        let (size, name) = self.common()?;
        let name = self.name(name)?;
        Ok(Entry { name, bytes: self.take(size)? })
    }

    /// The directory's line of an entry (§4.3.12), which must say what the entry says.
    fn listed(&mut self, entry: &Entry<'_>, start: usize) -> Result<(), Error> {
        if self.u32()? != CENTRAL {
            return Err(Error::Form("an entry is not listed"));
        }
        self.take(4)?; // Versions.
        let (size, name) = self.common()?;
        let comment = self.u16()?;
        let disk = self.u16()?;
        self.take(6)?; // Attributes.
        let offset = self.length()?;
        let same = size == entry.bytes.len() && self.name(name)? == entry.name && offset == start;
        if same && comment == 0 && disk == 0 {
            Ok(())
        } else {
            Err(Error::Form("the directory contradicts the entries"))
        }
    }

    /// The end of the directory (§4.3.16): nothing may follow.
    fn end(&mut self, entries: usize, directory: usize, length: usize) -> Result<(), Error> {
        let end = self.u32()? == END && self.u32()? == 0;
        let counts = [usize::from(self.u16()?), usize::from(self.u16()?)] == [entries, entries];
        let place = self.length()? == length && self.length()? == directory;
        let last = self.u16()? == 0 && self.at == self.bytes.len();
        if end && counts && place && last {
            Ok(())
        } else {
            Err(Error::Form("there is more in it than its entries"))
        }
    }
}

/// The flag of names in UTF-8; every other flag means something that we do not write.
const UTF8: u16 = 1 << 11;

impl std::fmt::Debug for Entry<'_> {
    /// Never the bytes: they may be a patient's.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({} bytes)", self.name, self.bytes.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &[Entry<'_>] = &[
        Entry { name: "manifest.json", bytes: b"{}" },
        Entry { name: "receipts/one.xml", bytes: b"<AppRec/>" },
    ];

    #[test]
    fn what_is_written_is_read_and_other_programs_read_it_too() {
        let bytes = write(TWO).unwrap();
        assert_eq!(read(&bytes).unwrap(), TWO);
        assert_eq!(write(TWO).unwrap(), bytes, "the same entries give the same bytes");
        let mut theirs = zip::ZipArchive::new(Cursor::new(&bytes)).unwrap();
        assert_eq!(theirs.len(), 2);
        let mut content = String::new();
        std::io::Read::read_to_string(&mut theirs.by_name("receipts/one.xml").unwrap(), &mut content)
            .unwrap();
        assert_eq!(content, "<AppRec/>");
        assert_eq!(read(&write(&[]).unwrap()).unwrap(), []);
    }

    #[test]
    fn every_cut_and_everything_put_in_is_refused() {
        let bytes = write(TWO).unwrap();
        for end in 0..bytes.len() {
            assert!(read(&bytes[..end]).is_err(), "cut at {end}");
        }
        for at in 0..=bytes.len() {
            let mut more = bytes.clone();
            more.insert(at, b'x');
            assert!(read(&more).is_err(), "put in at {at}");
        }
    }

    #[test]
    fn names_that_lead_elsewhere_or_come_twice_are_refused() {
        for name in [
            "/etc/passwd",
            "../x",
            "a/../b",
            "a//b",
            "a/b/c",
            "a\\b",
            "A.xml",
            ".x",
            "",
            "a/",
            "c:x",
            "ø.xml",
        ] {
            assert_eq!(write(&[Entry { name, bytes: b"" }]), Err(Error::Name), "{name}");
            // And as a sender with another writer would do it.
            let bytes = write(&[Entry { name: &"x".repeat(name.len().max(1)), bytes: b"" }]).unwrap();
            let theirs = replace(&bytes, "x".repeat(name.len()).as_bytes(), name.as_bytes());
            if !name.is_empty() {
                assert_eq!(read(&theirs), Err(Error::Name), "{name}");
            }
        }
        let twice = write(&[Entry { name: "aa", bytes: b"1" }, Entry { name: "bb", bytes: b"2" }]).unwrap();
        assert_eq!(read(&replace(&twice, b"bb", b"aa")), Err(Error::Twice));
    }

    #[test]
    fn a_directory_that_tells_another_story_is_refused() {
        let bytes = write(TWO).unwrap();
        let directory = bytes.len()
            - 22
            - bytes.windows(4).filter(|w| *w == CENTRAL.to_le_bytes()).count() * 46
            - TWO.iter().map(|e| e.name.len()).sum::<usize>();
        let mut theirs = bytes;
        let renamed = replace(&theirs.split_off(directory), b"one.xml", b"two.xml");
        theirs.extend(renamed);
        assert!(matches!(read(&theirs), Err(Error::Form(_))));
    }

    #[test]
    fn an_entry_that_would_unpack_to_more_is_refused() {
        let bytes = write(&[Entry { name: "a.bin", bytes: b"12345678" }]).unwrap();
        // The compression method of the local header (§4.4.5): deflate.
        let mut theirs = bytes.clone();
        theirs[8] = 8;
        assert_eq!(read(&theirs), Err(Error::Form("an entry is compressed")));
        // A size beyond the file.
        let mut theirs = bytes;
        theirs[18..26].copy_from_slice(&[0xFF; 8]);
        assert_eq!(read(&theirs), Err(Error::Broken));
    }

    fn replace(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
        assert_eq!(from.len(), to.len());
        let mut out = bytes.to_vec();
        if !from.is_empty() {
            for at in 0..=out.len() - from.len() {
                if &out[at..at + from.len()] == from {
                    out[at..at + from.len()].copy_from_slice(to);
                }
            }
        }
        out
    }
}
