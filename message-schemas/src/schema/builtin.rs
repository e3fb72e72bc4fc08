//! Our own schema files, carried inside the program.

macro_rules! files {
    ($($name:literal,)+) => {
        const FILES: &[(&str, &[u8])] = &[$(($name, include_bytes!(concat!("../../schemas/", $name))),)+];
    };
}

files! {
    "all.xsd",
    "apprec-1.0.xsd",
    "apprec-1.1.xsd",
    "base64container.xsd",
    "cpp-cpa-2.0.xsd",
    "dialogmelding-1.0.xsd",
    "dialogmelding-1.1.xsd",
    "ebxml-header-2.0.xsd",
    "epikrise-1.0.xsd",
    "epikrise-1.1.xsd",
    "epikrise-1.2.xsd",
    "epj-cave.xsd",
    "epj-ekstrakt-1.4.xsd",
    "epj-legemiddel.xsd",
    "epj-meta.xsd",
    "epj-notat.xsd",
    "epj-tilleggsinfo.xsd",
    "eresept-forskrivning.xsd",
    "eresept-kritisk-informasjon.xsd",
    "eresept-m1.xsd",
    "felleskomponent1.xsd",
    "helsepersonell-2014.xsd",
    "helsepersonell-2015.xsd",
    "henvisning-0.91.xsd",
    "henvisning-1.0.xsd",
    "henvisning-1.1.xsd",
    "henvisning-2.0.xsd",
    "icalendar-2.0.xsd",
    "kith.xsd",
    "leveringsrapport-1.0.xsd",
    "melding-innbygger-1.0.xsd",
    "msghead-1.2.xsd",
    "pasientrelasjon-2014.xsd",
    "person-2014.xsd",
    "plo-fravar-1.5.xsd",
    "plo-helseopplysninger-saksbehandling-2.0.xsd",
    "plo-helseopplysninger-soknad-1.5.xsd",
    "plo-helseopplysninger-soknad-1.6.xsd",
    "plo-helseopplysninger-til-lege-1.5.xsd",
    "plo-helseopplysninger-til-lege-1.6.xsd",
    "plo-innleggelsesrapport-1.5.xsd",
    "plo-innleggelsesrapport-1.6.xsd",
    "plo-komponent-1.5.xsd",
    "plo-komponent-1.6.xsd",
    "plo-komponent-2.0.xsd",
    "plo-medisinske-opplysninger-1.5.xsd",
    "plo-medisinske-opplysninger-1.6.xsd",
    "plo-orientering-1.5.xsd",
    "plo-orientering-1.6.xsd",
    "plo-pasientlogistikk-1.5.xsd",
    "plo-pasientlogistikk-1.6.xsd",
    "plo-pasientlogistikk-2.0.xsd",
    "plo-sammenfatning-2.0.xsd",
    "plo-utskrivningsrapport-1.5.xsd",
    "plo-utskrivningsrapport-1.6.xsd",
    "rekvisisjon-1.4.xsd",
    "rekvisisjon-1.5.xsd",
    "rekvisisjon-1.6.xsd",
    "soap-envelope-1.1.xsd",
    "svarrapport-1.2.xsd",
    "svarrapport-1.3.xsd",
    "svarrapport-1.4.xsd",
    "videreformidling-1.0.xsd",
    "xlink.xsd",
    "xml.xsd",
    "xmldsig.xsd",
}

/// Names and contents of our own schema files, sorted by name: every family and version that we read.
#[must_use]
pub const fn builtin() -> &'static [(&'static str, &'static [u8])] {
    FILES
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_every_file_of_the_folder() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/schemas");
        let found: BTreeSet<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.ends_with(".xsd"))
            .collect();
        let named: BTreeSet<String> = builtin().iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(found, named);
        assert!(builtin().is_sorted());
    }
}
