//! What ends a server and clears its folder away when the process that started it is gone, even by `kill -9`.
//!
//! A shell waits for the end of its input, which is a pipe that only we hold. (A parent-death signal would end the server
//! with the *thread* that started it, and a test's thread ends early.)

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use std::os::unix::process::CommandExt;

const SCRIPT: &str = r#"
trap '' HUP INT TERM QUIT
folder=$1 kept=$2 gently=$3 groups='' keep=''
while read -r what rest; do
  case $what in
    groups) groups=$rest ;;
    keep) keep=yes ;;
  esac
done
alive() { for g in $groups; do kill -s 0 -- "-$g" 2>/dev/null && return 0; done; return 1; }
for g in $groups; do kill -s "$gently" -- "-$g" 2>/dev/null; done
i=0; while alive && [ $i -lt 50 ]; do sleep 0.1; i=$((i + 1)); done
for g in $groups; do kill -s KILL -- "-$g" 2>/dev/null; done
if [ "$keep" ]; then mkdir -p "$kept" && cp -R "$folder/log/." "$kept/"; fi
rm -rf "$folder" 2>/dev/null || { sleep 1; rm -rf "$folder"; }
"#;

/// The guard of one server.
#[derive(Debug)]
pub(crate) struct Guard {
    shell: Child,
    wire: Arc<Wire>,
}

#[derive(Debug)]
struct Wire {
    pipe: Mutex<Option<ChildStdin>>,
    kept: PathBuf,
}

impl Wire {
    fn keep(&self) {
        self.say("keep");
        eprintln!("the server's log will be in {}", self.kept.display());
    }

    fn say(&self, line: &str) {
        if let Some(pipe) = self.pipe.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            // A guard that is gone was killed by hand; there is nobody else to tell.
            writeln!(pipe, "{line}").ok();
        }
    }
}

impl Guard {
    /// Watches over `folder`, whose `log/` is kept under the folder's own name if a test panics. What is still running
    /// in the end gets the signal `gently` first.
    pub(crate) fn new(folder: &Path, gently: &str) -> io::Result<Self> {
        let name = folder.file_name().ok_or_else(|| io::Error::other("a folder with a name"))?;
        let kept = crate::kept().join("failed").join(name);
        let mut shell = Command::new("/bin/sh")
            .args(["-c", SCRIPT, "guard"])
            .args([folder, &kept])
            .arg(gently)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .current_dir("/")
            .process_group(0)
            .spawn()?;
        let wire = Arc::new(Wire { pipe: Mutex::new(shell.stdin.take()), kept });
        keep_logs_after_a_panic(&wire);
        Ok(Self { shell, wire })
    }

    /// The process groups that are to end with us; they replace those of before.
    pub(crate) fn watch(&self, groups: &[u32]) {
        let list: Vec<String> = groups.iter().map(u32::to_string).collect();
        self.wire.say(&format!("groups {}", list.join(" ")));
    }

    /// The logs are wanted.
    pub(crate) fn keep(&self) {
        self.wire.keep();
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.wire.pipe.lock().unwrap_or_else(PoisonError::into_inner).take();
        // Without its end there is nothing to report to.
        self.shell.wait().ok();
    }
}

/// Tells all guards of this process to keep logs once anything panics.
fn keep_logs_after_a_panic(wire: &Arc<Wire>) {
    static WIRES: OnceLock<Mutex<Vec<Weak<Wire>>>> = OnceLock::new();
    let wires = WIRES.get_or_init(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            before(panic);
            let list = WIRES.get().map(|w| w.lock().unwrap_or_else(PoisonError::into_inner).clone());
            for wire in list.unwrap_or_default().iter().filter_map(Weak::upgrade) {
                wire.keep();
            }
        }));
        Mutex::default()
    });
    let mut wires = wires.lock().unwrap_or_else(PoisonError::into_inner);
    wires.retain(|w| w.strong_count() > 0);
    wires.push(Arc::downgrade(wire));
}
