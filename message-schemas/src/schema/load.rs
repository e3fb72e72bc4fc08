//! Files to one model: which file serves which namespace.
//!
//! Schemas are found by namespace, never by address. An import therefore needs no file; an include is found
//! by the last segment of its path. Files that no other includes are the *roots* of a namespace, each with
//! all that it includes. Roots of one namespace are taken together unless they define the same name in two
//! files (two versions of a family that forgot to change the namespace). Then one wins:
//!
//! 1. the one that is imported by name in a file that declares nothing itself (an entry file), else
//! 2. the one whose file name sorts last.
//!
//! What lost is told in the [`LoadReport`] and is not in the model.

use super::error::{Problem, SchemaError, SchemaFault};
use super::model::*;
use super::read::{Declarations, declarations, last_segment, preamble};
use super::source::Node;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What became of the files of a set.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LoadReport {
    /// Files in use, sorted.
    pub files: Vec<String>,
    /// Target namespaces served, sorted.
    pub namespaces: Vec<String>,
    /// Files that gave way to another of the same namespace.
    pub alternatives: Vec<Alternative>,
}

/// A file that is not used, because another defines the same names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alternative {
    /// The namespace that both define.
    pub namespace: String,
    /// The file that is used.
    pub used: String,
    /// The file that is not.
    pub passed_over: String,
}

struct File {
    document: Document,
    root: Node,
    /// Kind and name of what it declares globally.
    names: BTreeSet<(&'static str, String)>,
}

/// A file as read for one namespace.
type Part = (usize, Arc<str>);

/// Reads a set of files into a model. References are not looked at yet.
pub(super) fn load(files: Vec<(String, Vec<u8>)>) -> Result<(Model, LoadReport), SchemaError> {
    let mut faults = Vec::new();
    let files = parse(files, &mut faults);
    let units = units(&files, &mut faults);
    let preferred: BTreeSet<&str> = files
        .iter()
        .filter(|f| f.names.is_empty())
        .flat_map(|f| f.document.imports.iter().filter_map(|i| i.file.as_deref()))
        .collect();

    let mut report = LoadReport::default();
    let mut parts: BTreeSet<Part> = BTreeSet::new();
    for (namespace, mut units) in units {
        report.namespaces.push(namespace.to_string());
        let rank = |unit: &Unit| {
            let name = files.get(unit.root).map_or("", |f| f.document.name.as_str());
            (preferred.contains(last_segment(name).as_str()), name.to_owned())
        };
        units.sort_by_key(|unit| std::cmp::Reverse(rank(unit)));
        let mut taken: Vec<Unit> = Vec::new();
        for unit in units {
            match taken.iter().find(|t| conflict(&files, t, &unit)) {
                None => taken.push(unit),
                Some(winner) => report.alternatives.push(Alternative {
                    namespace: namespace.to_string(),
                    used: rank(winner).1,
                    passed_over: rank(&unit).1,
                }),
            }
        }
        parts.extend(taken.into_iter().flat_map(|unit| unit.files).map(|file| (file, namespace.clone())));
    }

    let mut model = Model::default();
    let mut numbers: BTreeMap<usize, u32> = BTreeMap::new();
    for (file, _) in &parts {
        if let (false, Some(source)) = (numbers.contains_key(file), files.get(*file)) {
            numbers.insert(*file, u32::try_from(model.documents.len()).unwrap_or(u32::MAX));
            report.files.push(source.document.name.clone());
            model.documents.push(source.document.clone());
        }
    }
    for (file, namespace) in &parts {
        let (Some(source), Some(&number)) = (files.get(*file), numbers.get(file)) else { continue };
        let declared = declarations(&source.document.name, number, &source.root, namespace, &mut faults);
        merge(&mut model, declared, &mut faults);
    }
    if faults.is_empty() { Ok((model, report)) } else { Err(sorted(faults)) }
}

/// All faults, in the order in which one reads files.
pub(super) fn sorted(mut faults: Vec<SchemaFault>) -> SchemaError {
    faults.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
    faults.dedup();
    SchemaError { faults }
}

fn parse(mut files: Vec<(String, Vec<u8>)>, faults: &mut Vec<SchemaFault>) -> Vec<File> {
    files.sort();
    let mut out: Vec<File> = Vec::new();
    for (name, bytes) in files {
        if out.last().is_some_and(|last| last.document.name == name) {
            faults.push(SchemaFault { file: name, line: 0, problem: Problem::SameFile });
            continue;
        }
        match Node::parse(&bytes) {
            Ok(root) => {
                let document = preamble(&name, &root, faults);
                let names = root.children.iter().filter_map(global_name).collect();
                out.push(File { document, root, names });
            }
            Err(problem) => {
                let line = if let Problem::Xml(finding) = &problem { finding.line } else { 1 };
                faults.push(SchemaFault { file: name, line, problem });
            }
        }
    }
    out
}

/// Symbol space and name of a global component.
fn global_name(node: &Node) -> Option<(&'static str, String)> {
    let space = match node.local.as_str() {
        "element" => "element",
        "attribute" => "attribute",
        "simpleType" | "complexType" => "type",
        "group" => "group",
        "attributeGroup" => "attribute group",
        _ => return None,
    };
    Some((space, node.attribute("name")?.to_owned()))
}

/// A root and all that it includes.
struct Unit {
    root: usize,
    files: BTreeSet<usize>,
}

fn units(files: &[File], faults: &mut Vec<SchemaFault>) -> BTreeMap<Arc<str>, Vec<Unit>> {
    let included: Vec<Vec<usize>> = files
        .iter()
        .map(|file| {
            let mut found = Vec::new();
            for name in &file.document.includes {
                let at = files.iter().position(|f| {
                    let namespace = &f.document.namespace;
                    last_segment(&f.document.name) == *name
                        && (namespace.is_empty() || *namespace == file.document.namespace)
                });
                match at {
                    Some(at) => found.push(at),
                    None => faults.push(SchemaFault {
                        file: file.document.name.clone(),
                        line: 0,
                        problem: Problem::MissingFile(name.clone()),
                    }),
                }
            }
            found
        })
        .collect();
    let reach = |root: usize| {
        let mut seen = BTreeSet::from([root]);
        let mut todo = vec![root];
        while let Some(at) = todo.pop() {
            todo.extend(included.get(at).into_iter().flatten().filter(|&&next| seen.insert(next)));
        }
        seen
    };
    let mut units: BTreeMap<Arc<str>, Vec<Unit>> = BTreeMap::new();
    let mut covered = BTreeSet::new();
    let mut add = |root: usize, covered: &mut BTreeSet<usize>| {
        let reached = reach(root);
        covered.extend(&reached);
        if let Some(file) = files.get(root) {
            units.entry(file.document.namespace.clone()).or_default().push(Unit { root, files: reached });
        }
    };
    for root in 0..files.len() {
        let alone = |(from, to): (usize, &Vec<usize>)| from == root || !to.contains(&root);
        if included.iter().enumerate().all(alone) {
            add(root, &mut covered);
        }
    }
    // Files that include one another in a circle have no root among them: the first will do.
    for root in 0..files.len() {
        if !covered.contains(&root) {
            add(root, &mut covered);
        }
    }
    units
}

fn conflict(files: &[File], a: &Unit, b: &Unit) -> bool {
    let only = |these: &Unit, those: &Unit| -> BTreeSet<(&'static str, String)> {
        let own = these.files.difference(&those.files);
        own.filter_map(|at| files.get(*at)).flat_map(|f| f.names.iter().cloned()).collect()
    };
    let all = |unit: &Unit| -> BTreeSet<(&'static str, String)> {
        unit.files.iter().filter_map(|at| files.get(*at)).flat_map(|f| f.names.iter().cloned()).collect()
    };
    !only(a, b).is_disjoint(&all(b)) || !only(b, a).is_disjoint(&all(a))
}

fn merge(model: &mut Model, declared: Declarations, faults: &mut Vec<SchemaFault>) {
    let documents = &model.documents;
    let mut twice = |kind: &'static str, name: &QName, origin: Origin| {
        faults.push(fault(documents, origin, Problem::Twice { kind, name: name.to_string() }));
    };
    for element in declared.elements {
        let (name, origin) = (element.name.clone(), element.origin);
        if model.elements.insert(name.clone(), element).is_some() {
            twice("element", &name, origin);
        }
    }
    for attribute in declared.attributes {
        let (name, origin) = (attribute.name.clone(), attribute.origin);
        if model.attributes.insert(name.clone(), attribute).is_some() {
            twice("attribute", &name, origin);
        }
    }
    for type_ in declared.types {
        let (Some(name), origin) = (type_.name().cloned(), type_.origin()) else { continue };
        if model.types.insert(name.clone(), type_).is_some() {
            twice("type", &name, origin);
        }
    }
    for group in declared.groups {
        let (name, origin) = (group.name.clone(), group.origin);
        if model.groups.insert(name.clone(), group).is_some() {
            twice("group", &name, origin);
        }
    }
    for group in declared.attribute_groups {
        let (name, origin) = (group.name.clone(), group.origin);
        if model.attribute_groups.insert(name.clone(), group).is_some() {
            twice("attribute group", &name, origin);
        }
    }
}

/// A fault at a component.
pub(super) fn fault(documents: &[Document], origin: Origin, problem: Problem) -> SchemaFault {
    let file = documents.get(origin.document as usize).map(|d| d.name.clone()).unwrap_or_default();
    SchemaFault { file, line: origin.line, problem }
}
