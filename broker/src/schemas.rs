//! Loads schemas: those that the program carries, or a folder of XSD files.

use crate::config::read::Fault;
use message_schemas::schema::{self, SchemaError, SchemaSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The schemas in this folder and the folders below it, or the built-in ones.
///
/// # Errors
/// Every fault: files that cannot be read, and what does not compile.
pub fn load(folder: Option<&Path>) -> Result<SchemaSet, Vec<Fault>> {
    let Some(folder) = folder else { return builtin().map_err(|error| faults(Path::new("built-in"), error)) };
    let files = read(folder).map_err(|(path, error)| vec![unreadable(&path, &error)])?;
    if files.is_empty() {
        return Err(vec![Fault {
            file: folder.display().to_string(),
            line: 0,
            field: String::new(),
            message: "There are no .xsd files in this folder.".to_owned(),
            remedy: "Name the folder that holds the schemas.".to_owned(),
        }]);
    }
    SchemaSet::load(files).map(|(set, _)| set).map_err(|error| faults(folder, error))
}

/// The built-in schemas.
///
/// # Errors
/// Never in a released program; a test proves that they compile.
pub fn builtin() -> Result<SchemaSet, SchemaError> {
    let files = schema::builtin().iter().map(|(name, bytes)| ((*name).to_owned(), bytes.to_vec()));
    SchemaSet::load(files).map(|(set, _)| set)
}

fn faults(folder: &Path, error: SchemaError) -> Vec<Fault> {
    let fault = |fault: schema::SchemaFault| Fault {
        file: folder.join(&fault.file).display().to_string(),
        line: usize::try_from(fault.line).unwrap_or_default(),
        field: "schema".to_owned(),
        message: format!("{}.", fault.problem),
        remedy: "Mend the schema file, or take it out of the folder.".to_owned(),
    };
    error.faults.into_iter().map(fault).collect()
}

fn unreadable(path: &Path, error: &io::Error) -> Fault {
    Fault {
        file: path.display().to_string(),
        line: 0,
        field: "schema".to_owned(),
        message: format!("It cannot be read: {error}."),
        remedy: "Name a folder of XSD files that this user may read.".to_owned(),
    }
}

/// A file's path inside its folder, and its bytes.
type NamedFile = (String, Vec<u8>);

/// All `.xsd` files below a folder, each with its path inside it; links are not followed.
fn read(top: &Path) -> Result<Vec<NamedFile>, (PathBuf, io::Error)> {
    let mut files = Vec::new();
    let mut folders = vec![top.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let failed = |error| (folder.clone(), error);
        for entry in fs::read_dir(&folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let (path, kind) = (entry.path(), entry.file_type().map_err(failed)?);
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file() && path.extension().is_some_and(|e| e.eq_ignore_ascii_case("xsd")) {
                let name = path.strip_prefix(top).unwrap_or(&path).display().to_string();
                files.push((name, fs::read(&path).map_err(|error| (path, error))?));
            }
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_schemas_is_a_fault_and_one_with_a_broken_schema_names_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let faults = load(Some(folder.path())).expect_err("there are none");
        assert!(faults[0].message.contains("no .xsd files"));
        fs::create_dir(folder.path().join("sub")).expect("a folder");
        fs::write(folder.path().join("sub/a.xsd"), "<x/>").expect("a file");
        let faults = load(Some(folder.path())).expect_err("it is no schema");
        assert!(faults[0].file.ends_with("sub/a.xsd"), "{faults:?}");
    }
}
