//! Each server starts, keeps what it was given over every kind of end, and goes with the process that started it.

use servers::{Postgres, Rabbit, wait_for};
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

#[test]
fn a_cluster_keeps_its_rows_over_every_kind_of_end() {
    if !servers::available("a_cluster_keeps_its_rows_over_every_kind_of_end") {
        return;
    }
    let server = Postgres::start(&[("work_mem", "5MB")]).unwrap();
    let database = server.database("kept").unwrap();
    assert_eq!(server.sql(&database, "SHOW work_mem").unwrap().trim(), "5MB");
    server.sql(&database, "CREATE TABLE kept (n int)").unwrap();
    let mut rows = 0;
    for end in [Postgres::stop, Postgres::kill] {
        rows += 1;
        server.sql(&database, &format!("INSERT INTO kept VALUES ({rows})")).unwrap();
        end(&server).unwrap();
        assert!(server.sql(&database, "SELECT 1").is_err(), "it answers after its end");
        server.start_again().unwrap();
        assert_eq!(server.sql(&database, "SELECT count(*) FROM kept").unwrap().trim(), rows.to_string());
    }
    let folder = server.socket_folder();
    drop(server);
    assert!(!folder.exists(), "its folder stays behind");
}

#[test]
fn a_database_belongs_to_a_user_who_is_not_a_superuser() {
    let Some(server) = servers::postgres("a_database_belongs_to_a_user_who_is_not_a_superuser") else {
        return;
    };
    let (one, two) = (server.database("own").unwrap(), server.database("own").unwrap());
    assert_ne!(one, two, "two tests would share a database");
    let owner = server
        .sql(&one, "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()");
    assert_eq!(owner.unwrap().trim(), servers::postgres::USER);
    let superuser = server.sql(&one, "SELECT rolsuper FROM pg_roles WHERE rolname = 'budstikke'");
    assert_eq!(superuser.unwrap().trim(), "f");
}

#[test]
fn a_node_keeps_its_definitions_over_every_kind_of_end() {
    if !servers::available("a_node_keeps_its_definitions_over_every_kind_of_end") {
        return;
    }
    let definitions = tempfile::NamedTempFile::new().unwrap();
    let queue = r#"{"vhosts":[{"name":"given"}],"queues":[{"name":"q","vhost":"given","durable":true,
        "auto_delete":false,"arguments":{"x-queue-type":"quorum"}}]}"#;
    definitions.as_file().write_all(queue.as_bytes()).unwrap();
    let options =
        servers::rabbit::Options { definitions: Some(definitions.path().to_owned()), ..Default::default() };
    let server = Rabbit::start(&options).unwrap();
    // What ops/ sets, and what a node here sets instead.
    assert_eq!(
        server.eval("element(2, application:get_env(rabbit, max_message_size)).").unwrap(),
        "16000000"
    );
    assert_eq!(server.eval("rabbit_disk_monitor:get_disk_free_limit().").unwrap(), "50000000");
    for end in [Rabbit::stop, Rabbit::kill] {
        assert_eq!(server.messages("given", "q").unwrap(), 0);
        end(&server).unwrap();
        assert!(server.eval("ok.").is_err(), "it answers after its end");
        server.start_again().unwrap();
    }
    wait_for("the queue has its leader again", Duration::from_secs(60), || {
        Ok(server.messages("given", "q").ok())
    })
    .unwrap();
    server.disk_alarm(true).unwrap();
    server.disk_alarm(false).unwrap();
}

#[test]
fn a_virtual_host_is_its_users() {
    let Some(server) = servers::rabbit("a_virtual_host_is_its_users") else { return };
    let (one, two) = (server.vhost("own").unwrap(), server.vhost("own").unwrap());
    assert_ne!(one, two, "two tests would share a virtual host");
    let may = server.eval(&format!(
        r#"{{ok, U}} = rabbit_access_control:check_user_pass_login(<<"admin">>, <<"{}">>),
        rabbit_access_control:check_vhost_access(U, <<"{one}">>, undefined, #{{}})."#,
        server.password()
    ));
    assert_eq!(may.unwrap(), "ok");
    assert!(server.eval("1 = 2.").is_err(), "a failed expression passes for an answer");
}

/// Not a test by itself: the process that the next test kills.
#[test]
fn started_and_left_alone() {
    if std::env::var_os("SERVERS_LEFT_ALONE").is_none() {
        return;
    }
    let postgres = Postgres::start(&[]).unwrap();
    let rabbit = Rabbit::start(&servers::rabbit::Options::default()).unwrap();
    let folder = postgres.socket_folder().parent().unwrap().display().to_string();
    println!("\nstarted {} {} {folder} {}", postgres.port(), rabbit.port(), rabbit.password_file().display());
    loop {
        std::thread::park();
    }
}

#[test]
fn servers_end_with_a_process_that_is_killed() {
    if !servers::available("servers_end_with_a_process_that_is_killed") {
        return;
    }
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "started_and_left_alone", "--nocapture"])
        .env("SERVERS_LEFT_ALONE", "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let line = lines.into_iter().find(|l| l.starts_with("started ")).expect("they start");
    let words: Vec<&str> = line.split(' ').collect();
    let answers = |port: &str| std::net::TcpStream::connect(format!("127.0.0.1:{port}")).is_ok();
    assert!(answers(words[1]) && answers(words[2]), "they listen");
    child.kill().unwrap();
    child.wait().unwrap();
    wait_for("both servers end and their folders go", Duration::from_secs(60), || {
        let gone = |path: &str| !std::path::Path::new(path).exists();
        Ok((!answers(words[1]) && !answers(words[2]) && gone(words[3]) && gone(words[4])).then_some(()))
    })
    .unwrap();
}
