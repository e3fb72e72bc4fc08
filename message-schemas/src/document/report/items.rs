//! The top-level results of a report: by what they are known again in another version, and a report with only some of
//! them.

use super::links::Links;
use super::read::Item;
use crate::document::values::{Code, Words};
use crate::document::{Notes, TopResult};
use crate::time::Written;
use foldhash::{HashMap, HashMapExt, HashSet};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// The top-level results in document order.
//= document-sharing §2.2
//# key = (sorted Investigation/Id codes, else their text; first RefAnalysedSubject; running number among equal keys in
//# document order); not IdResultItem, which senders change between versions, and not nested items.
pub(super) fn top_results(items: &[Item<'_>], links: &Links) -> Vec<TopResult> {
    let mut running: HashMap<String, u32> = HashMap::with_capacity(items.len());
    let top = items.iter().zip(&links.shown_under).filter(|(_, under)| under.is_none());
    top.map(|(item, _)| {
        let name = name_of(item);
        // What senders write has no longest length, so it is hashed.
        let hash = Sha256::new().chain_update(&name).chain_update("\n");
        let nth = running.entry(name).or_default();
        *nth += 1;
        let hash = hash.chain_update(Written::new().digits(*nth).as_str()).finalize();
        let mut first = [0; 16];
        first.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
        TopResult {
            key: Uuid::from_bytes(first).simple().encode_lower(&mut Uuid::encode_buffer()).to_owned(),
            cancelled: item.service_code() == "C",
        }
    })
    .collect()
}

/// Marks what stands under a cancelled result and says nothing of its own state: how a bacterium reacts is not so
/// where it was not found. The table of states takes what says nothing for new (document-sharing §6.4), and so it is
/// under every other result.
pub(super) fn cancel_members(items: &mut [Item<'_>]) {
    let mut work: Vec<usize> =
        (0..).zip(&*items).filter(|(_, i)| i.service_code() == "C").map(|(n, _)| n).collect();
    if work.is_empty() {
        return;
    }
    let links = Links::new(items, &mut Notes::new(""));
    let mut below: Vec<Vec<usize>> = vec![Vec::new(); items.len()];
    for (at, above) in links.shown_under.iter().enumerate() {
        if let Some(list) = above.and_then(|above| below.get_mut(above)) {
            list.push(at);
        }
    }
    while let Some(at) = work.pop() {
        for member in below.get(at).into_iter().flatten() {
            if let Some(item) = items.get_mut(*member)
                && item.service_type.as_ref().and_then(Code::code).is_none()
                && !item.cancelled_with
            {
                item.cancelled_with = true;
                work.push(*member);
            }
        }
    }
}

/// What was investigated, of which sample.
fn name_of(item: &Item<'_>) -> String {
    let ids = || item.investigations.iter().flat_map(|i| &i.ids);
    let sample = item.subjects.first().and_then(Words::id).unwrap_or_default();
    let mut codes = ids().filter_map(|id| Some((id.system.unwrap_or_default(), id.code()?)));
    // Nearly all have one.
    if let (Some((system, code)), None) = (codes.next(), codes.next()) {
        return [system, "|", code, "\n", sample].concat();
    }
    // The same code in two lists is two tests.
    let codes = ids().filter_map(|id| Some((id.system.unwrap_or_default(), id.code()?)));
    let mut names: Vec<String> = codes.map(|(system, code)| [system, "|", code].concat()).collect();
    if names.is_empty() {
        names = ids().filter_map(Code::words).map(str::to_owned).collect();
    }
    if names.is_empty() {
        let comments = item.investigations.iter().filter_map(|i| i.comment.as_ref());
        names = comments.map(|c| c.value.to_string()).collect();
    }
    names.sort_unstable();
    names.dedup();
    [&names.join("\n"), "\n", sample].concat()
}

/// Keeps these top-level results, by their places among those, and all that stands under them.
pub(super) fn keep(items: &mut Vec<Item<'_>>, wanted: &[usize]) {
    let links = Links::new(items, &mut Notes::new(""));
    let wanted: HashSet<usize> = {
        let top = links.shown_under.iter().enumerate().filter(|(_, under)| under.is_none());
        let top: Vec<usize> = top.map(|(at, _)| at).collect();
        wanted.iter().filter_map(|nth| top.get(*nth).copied()).collect()
    };
    // Whether an item stays is what is said of the one on top of it; each chain is walked once.
    let mut stays: Vec<Option<bool>> = vec![None; items.len()];
    for at in 0..items.len() {
        let (mut chain, mut here) = (Vec::new(), at);
        let answer = loop {
            if let Some(Some(known)) = stays.get(here) {
                break *known;
            }
            chain.push(here);
            match links.shown_under.get(here).copied().flatten() {
                Some(above) if chain.len() <= items.len() => here = above,
                Some(_) | None => break wanted.contains(&here),
            }
        };
        for passed in chain {
            if let Some(slot) = stays.get_mut(passed) {
                *slot = Some(answer);
            }
        }
    }
    let mut places: Vec<Option<usize>> = Vec::with_capacity(items.len());
    let mut next = 0;
    for stay in &stays {
        places.push((*stay == Some(true)).then_some(next));
        next += usize::from(*stay == Some(true));
    }
    let mut at = 0;
    items.retain_mut(|item| {
        let stay = places.get(at).copied().flatten().is_some();
        item.nested_in = item.nested_in.and_then(|around| places.get(around).copied().flatten());
        at += 1;
        stay
    });
}
