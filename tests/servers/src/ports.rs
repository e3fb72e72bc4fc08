//! Ports for servers that are stopped and started again.

use std::io;
use std::net::TcpListener;

/// `N` different ports of the loopback address that nothing listens on. They lie below the range from which the system
/// takes local ports of outgoing connections, so none of those can take one while the server behind it is down.
///
/// # Errors
/// If there are not so many.
pub fn free<const N: usize>() -> io::Result<[u16; N]> {
    const LOWEST: u16 = 10_300;
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let above = range.split_whitespace().next().and_then(|w| w.parse().ok()).unwrap_or(32_768);
    // Where the range begins too low to stay under it, a restart may in theory find its port taken.
    let above = if above > LOWEST + 1_000 { above } else { 60_000 };
    let mut held: Vec<(u16, TcpListener)> = Vec::new();
    // Begin anywhere, so that runs at the same time seldom try the same ports.
    let start = u32::from_str_radix(crate::secret()?.get(..4).unwrap_or("0"), 16).unwrap_or(0);
    for step in 0..u32::from(above - LOWEST) {
        let offset = (start + step) % u32::from(above - LOWEST);
        let port = LOWEST + u16::try_from(offset).unwrap_or(0);
        if let Ok(listener) = TcpListener::bind(("127.0.0.1", port)) {
            held.push((port, listener));
        }
        if held.len() == N {
            let ports: Vec<u16> = held.iter().map(|(p, _)| *p).collect();
            return ports.try_into().map_err(|_| io::Error::other("as many as asked for"));
        }
    }
    Err(io::Error::other("there are not enough free ports"))
}
