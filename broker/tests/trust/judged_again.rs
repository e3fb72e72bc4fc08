//! `dead-letter replay` of what protection stopped: judged again from its bytes, while no broker runs that could do it
//! by itself. Nothing is asked over the network: lists come from files.

use crate::region::{Region, parties, sample};
use serde_json::Value;
use std::fs;
use std::process::Output;

const MESSAGE: &str = "77777777-7777-4777-8777-777777777777";
const GETS: &str = "[party.protection]\ngets = \"signed-and-sealed\"\n";
const SEALING_KEY: &str =
    "[[trust.keys]]\nfile = \"pki/parties/broker/sealing.p12\"\npassword_file = \"pki/password\"\n";
/// Of the issuer of all certificates nothing is known.
const TOO_LITTLE: &str = "files = [\"pki/root.crl\"]\n";
const LISTS: &str = "files = [\"pki/root.crl\", \"pki/issuing.crl\"]\n";

impl Region {
    /// Without services: what lists tell is in files, if they are given.
    fn offline(lists: &str) -> Self {
        let region = Self::new();
        region.configure("cache = \"revocation\"\n", &format!("online = false\n{lists}"));
        region
    }

    /// Puts one text in the place of another in the configuration.
    #[track_caller]
    fn configure(&self, before: &str, after: &str) {
        let config = fs::read_to_string(self.at("broker.toml")).unwrap();
        assert!(config.contains(before), "{config}");
        fs::write(self.at("broker.toml"), config.replace(before, after)).unwrap();
    }

    fn parties(&self, parties: &str) {
        fs::write(self.at("parties.toml"), parties).unwrap();
    }

    /// Offers a message to a running broker, signed or sealed, and stops the broker when it lies parked with this reason.
    fn park(&self, reason: &str, offer: impl Fn(&Self)) {
        let _broker = self.broker();
        offer(self);
        self.wait_for(reason, || self.aside().contains(reason));
    }

    fn offer_sealed(&self) {
        self.seal(&sample(MESSAGE));
        fs::rename(self.at("sealed.p7m"), self.at("in/sealed.xml")).unwrap();
    }

    /// Signed by the hospital and sealed for the broker, into `sealed.p7m`.
    fn seal(&self, text: &str) {
        fs::write(self.at("plain.xml"), text).unwrap();
        let line = "seal plain.xml --key pki/parties/granheim/signing.p12 --password-file pki/password \
                    --for pki/parties/broker/sealing.pem --out sealed.p7m";
        let output = self.command().args(line.split_whitespace()).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }

    /// Replays all that lies there: its exit code, and what it says.
    fn replay(&self, more: &[&str]) -> (i32, String) {
        let Output { status, stdout, stderr } = self
            .command()
            .args(["dead-letter", "replay", "--config", "broker.toml", "--all"])
            .args(more)
            .output()
            .unwrap();
        let said = String::from_utf8(stdout).unwrap() + &String::from_utf8(stderr).unwrap();
        (status.code().unwrap(), said)
    }

    fn says(&self, words: &[&str]) -> String {
        let output = self.command().args(words).args(["--config", "broker.toml"]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }
}

const WHY: [&str; 2] = ["--reason", "the key is back, case 4711"];

#[test]
fn what_lay_for_want_of_a_key_goes_when_a_person_has_put_it_back() {
    let region = Region::offline(LISTS);
    region.configure(SEALING_KEY, "");
    region.park("P39", Region::offer_sealed);

    let (code, said) = region.replay(&WHY);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("stays: judged again, it comes to the same (P39 "), "{said}");
    assert!(said.contains("0 of 1 go again."), "{said}");

    region.configure("[trust.revocation]\n", &format!("{SEALING_KEY}[trust.revocation]\n"));
    let (code, said) = region.replay(&["--dry-run", "--format", "json"]);
    assert_eq!(code, 0, "{said}");
    let line: Value = serde_json::from_str(said.trim()).unwrap();
    assert_eq!(
        (&line["replayed"], &line["destination"], &line["judged_again"], &line["why_not"]),
        (&Value::from(false), &Value::from("folder:gp"), &Value::from("accepted"), &Value::Null),
        "{said}"
    );
    assert!(region.aside().contains("P39"), "nothing was done");

    let (code, said) = region.replay(&WHY);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("to folder:gp  (judged again: accepted)"), "{said}");
    assert!(said.contains("1 of 1 go again."), "{said}");
    assert!(region.aside().contains("0 recipients lie still."), "{}", region.aside());
    let trace = region.says(&["trace", MESSAGE]);
    assert!(trace.contains("the key is back, case 4711"), "{trace}");
    assert_eq!(region.replay(&WHY).0, 1, "nothing lies there any more");

    let _broker = region.broker();
    region.wait_for("the delivery", || region.delivered() == 1);
    assert!(region.says(&["ledger"]).contains("balance"), "{}", region.says(&["ledger"]));
}

#[test]
fn what_is_not_known_stays_and_what_cannot_be_sealed_never_leaves_in_the_clear() {
    let region = Region::offline(TOO_LITTLE);
    region.parties(&format!("{}{GETS}", parties()));
    region.park("P40", |region| region.offer(MESSAGE, "granheim"));
    let (code, said) = region.replay(&WHY);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("this command asks nobody (P40 "), "{said}");

    // With lists it is opened; then its receiver's certificate is missing.
    region.configure(TOO_LITTLE, LISTS);
    let (code, said) = region.replay(&WHY);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("stays: parked (P43 ") && said.contains("(judged again: "), "{said}");
    let (code, said) = region.replay(&["--to", "folder:gp", "--reason", "hurry"]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("leave --to away"), "{said}");

    fs::create_dir(region.at("partners")).unwrap();
    let certificate = region.at("pki/parties/gp/sealing.pem");
    fs::copy(certificate, region.at("partners/210010-sealing.pem")).unwrap();
    region.configure("[trust]\n", "[trust]\npartners = { folders = [\"partners\"] }\n");
    let (code, said) = region.replay(&WHY);
    assert_eq!(code, 0, "{said}");
    let _broker = region.broker();
    region.wait_for("the sealed delivery", || region.sealed() == 1);
    assert_eq!(region.delivered(), 0, "nothing left in the clear");
}

#[test]
fn what_is_forged_is_refused_when_it_is_judged_again() {
    let region = Region::offline(TOO_LITTLE);
    region.park("P40", |region| region.offer(MESSAGE, "revoked"));
    region.configure(TOO_LITTLE, LISTS);
    let (code, said) = region.replay(&WHY);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("stays: rejected (P37 ") && said.contains("(judged again: refused)"), "{said}");
    // Nothing in it is proven, so it is found by our id alone.
    let trace = region.says(&["trace", said.split_whitespace().next().unwrap()]);
    assert!(trace.contains("P37") && trace.contains("the key is back, case 4711"), "{trace}");
}

#[test]
fn what_was_parked_in_the_clear_does_not_go_to_who_gets_it_sealed_now() {
    let region = Region::offline(LISTS);
    let nowhere = parties().replace("destination = \"folder:gp\"\n", "");
    region.parties(&nowhere);
    region.park("P12", |region| region.offer(MESSAGE, "granheim"));

    region.parties(&format!("{}{GETS}", parties()));
    let (code, said) = region.replay(&[&WHY[..], &["--to", "folder:gp"]].concat());
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("with less protection than its receiver gets now"), "{said}");
    assert!(region.aside().contains("P12"));
    // Judged again it would be sealed, and its receiver's certificate is missing.
    let (code, said) = region.replay(&WHY);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("stays: parked (P43 "), "{said}");

    region.parties(&parties());
    let (code, said) = region.replay(&WHY);
    assert_eq!(code, 0, "{said}");
    let _broker = region.broker();
    region.wait_for("the delivery", || region.delivered() == 1);
}

#[test]
fn what_cannot_be_opened_stays_as_often_as_it_is_judged() {
    let region = Region::offline(LISTS);
    region.park("P38", |region| {
        region.seal(&sample(MESSAGE));
        let mut bytes = fs::read(region.at("sealed.p7m")).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(region.at("damaged.p7m"), bytes).unwrap();
        fs::rename(region.at("damaged.p7m"), region.at("in/damaged.xml")).unwrap();
    });
    let (code, said) = region.replay(&WHY);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("stays: judged again, it comes to the same (P38 "), "{said}");
    let (code, said) = region.replay(&["--to", "folder:gp", "--reason", "hurry"]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("leave --to away"), "{said}");
    assert_eq!(region.delivered(), 0);
}

#[test]
fn a_sender_that_contradicts_itself_is_judged_again_when_somebody_has_looked() {
    let region = Region::offline(LISTS);
    region.park("P42", |region| {
        region.seal(&sample(MESSAGE).replace(">120000<", ">210000<"));
        fs::rename(region.at("sealed.p7m"), region.at("in/sealed.xml")).unwrap();
    });
    let (code, said) = region.replay(&WHY);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("stays: ") && !said.contains("judged again"), "{said}");
    let (code, said) = region.replay(&[&WHY[..], &["--confirm"]].concat());
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("stays: judged again, it comes to the same (P42 "), "{said}");

    // The party file has the service beneath that enterprise now: whose certificate signed is another matter.
    region.parties(&parties().replace("parent = 120000", "parent = 210000"));
    let (code, said) = region.replay(&[&WHY[..], &["--confirm"]].concat());
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("stays: rejected (P36 ") && said.contains("(judged again: refused)"), "{said}");
}
