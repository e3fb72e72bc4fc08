//! What the proxy does to connections, seen from both ends.

use servers::proxy::Mode;
use servers::{Proxy, wait_for};
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(60);

/// A proxy, and both ends of one connection through it.
fn connected() -> (Proxy, TcpListener, TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback works");
    let proxy = Proxy::to(listener.local_addr().expect("loopback works")).expect("loopback works");
    let near = TcpStream::connect(proxy.address()).expect("loopback works");
    let far = listener.accept().expect("loopback works").0;
    for end in [&near, &far] {
        end.set_read_timeout(Some(PATIENCE)).expect("loopback works");
    }
    (proxy, listener, near, far)
}

fn hears_nothing(end: &mut TcpStream) -> bool {
    end.set_read_timeout(Some(Duration::from_millis(300))).expect("loopback works");
    let heard = end.read(&mut [0; 1]).map_err(|e| e.kind());
    end.set_read_timeout(Some(PATIENCE)).expect("loopback works");
    matches!(heard, Err(ErrorKind::WouldBlock | ErrorKind::TimedOut))
}

fn is_over(end: &mut TcpStream) -> bool {
    match end.read(&mut [0; 1]) {
        Ok(n) => n == 0,
        Err(e) => !matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
    }
}

fn exchange(near: &TcpStream, far: &TcpStream) {
    for mut way in [[near, far], [far, near]] {
        way[0].write_all(b"hello").expect("loopback works");
        let mut heard = [0; 5];
        way[1].read_exact(&mut heard).expect("loopback works");
        assert_eq!(&heard, b"hello");
    }
}

#[test]
fn it_passes_bytes_and_the_farewell() {
    let (proxy, _listener, mut near, mut far) = connected();
    exchange(&near, &far);
    assert_eq!((proxy.connections(), proxy.passed()), (1, 10));
    near.shutdown(std::net::Shutdown::Write).unwrap();
    assert!(is_over(&mut far), "the end of one way is not passed on");
    far.write_all(b"!").unwrap();
    assert_eq!(near.read(&mut [0; 1]).unwrap(), 1, "the other way has ended too");
    drop(far);
    assert!(is_over(&mut near), "the last end is not passed on");
    wait_for("the connection is gone", PATIENCE, || Ok((proxy.connections() == 0).then_some(()))).unwrap();
}

#[test]
fn a_hole_holds_bytes_and_gives_them_back() {
    let (proxy, listener, mut near, mut far) = connected();
    exchange(&near, &far);
    proxy.set(Mode::Hole);
    near.write_all(b"later").unwrap();
    let mut second = TcpStream::connect(proxy.address()).unwrap();
    second.write_all(b"second").unwrap();
    assert!(hears_nothing(&mut far), "a hole passes bytes on");
    proxy.set(Mode::Pass);
    let mut heard = [0; 5];
    far.read_exact(&mut heard).unwrap();
    assert_eq!(&heard, b"later");
    let mut heard = [0; 6];
    listener.accept().unwrap().0.read_exact(&mut heard).unwrap();
    assert_eq!(&heard, b"second");
}

#[test]
fn delayed_bytes_come_all_the_same() {
    let (proxy, _listener, mut near, mut far) = connected();
    proxy.set(Mode::Delay(Duration::from_millis(400)));
    near.write_all(b"slow").unwrap();
    assert!(hears_nothing(&mut far), "nothing is delayed");
    let mut heard = [0; 4];
    far.read_exact(&mut heard).unwrap();
    assert_eq!(&heard, b"slow");
}

#[test]
fn a_cut_ends_both_sides_and_new_connections_pass() {
    let (proxy, listener, mut near, mut far) = connected();
    exchange(&near, &far);
    proxy.cut();
    assert!(is_over(&mut near) && is_over(&mut far), "a side lives on");
    let near = TcpStream::connect(proxy.address()).unwrap();
    let far = listener.accept().unwrap().0;
    exchange(&near, &far);
}

#[test]
fn a_cut_after_some_bytes_is_exact() {
    let (proxy, _listener, mut near, mut far) = connected();
    exchange(&near, &far);
    proxy.set(Mode::CutAfter(7));
    near.write_all(b"0123456789").unwrap();
    let mut heard = [0; 7];
    far.read_exact(&mut heard).unwrap();
    assert_eq!(&heard, b"0123456");
    assert!(is_over(&mut far) && is_over(&mut near), "a side lives on");
}

#[test]
fn a_lost_far_side_is_silent_for_the_near_one() {
    let (proxy, _listener, mut near, mut far) = connected();
    exchange(&near, &far);
    proxy.lose_far_side();
    assert!(is_over(&mut far), "the far side lives on");
    near.write_all(b"is anybody there").unwrap();
    assert!(hears_nothing(&mut near), "the near side hears of it");
    proxy.cut();
    assert!(is_over(&mut near), "a cut ends half-open connections too");
}

#[test]
fn nobody_behind_it_is_told_to_who_calls() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = Proxy::to(listener.local_addr().unwrap()).unwrap();
    drop(listener);
    let mut near = TcpStream::connect(proxy.address()).unwrap();
    near.set_read_timeout(Some(PATIENCE)).unwrap();
    assert!(is_over(&mut near));
}
