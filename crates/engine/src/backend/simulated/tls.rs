//! TLS between a socket's bytes and the protocol's.

use std::{
    io::{Read as _, Write as _},
    sync::Arc,
};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection,
    crypto::ring::default_provider, pki_types::ServerName,
};

use super::{
    move_front,
    turns::{Turns, sent, text},
};
use crate::{Brim, SendError, Settings};

/// Both ends, with the handshake still to come.
fn pair() -> (ClientConnection, ServerConnection) {
    let (client, server) = configs();
    (self::client(Arc::new(client)), ServerConnection::new(Arc::new(server)).unwrap())
}

pub(super) fn client(config: Arc<ClientConfig>) -> ClientConnection {
    ClientConnection::new(config, ServerName::try_from("localhost").unwrap()).unwrap()
}

/// A server, and a client that trusts it.
pub(super) fn configs() -> (ClientConfig, ServerConfig) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let provider = Arc::new(default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone()).unwrap();
    let client = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let server = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], signing_key.into())
        .unwrap();
    (client, server)
}

fn ciphertext(client: &mut ClientConnection, plaintext: &[u8]) -> Vec<u8> {
    client.writer().write_all(plaintext).unwrap();
    let mut out = Vec::new();
    while client.wants_write() {
        client.write_tls(&mut out).unwrap();
    }
    out
}

/// A client whose server end has been handed over, with what had arrived in it by then.
fn open(arrived: &[u8]) -> (Turns, ClientConnection) {
    open_with(Settings::default(), arrived)
}

fn open_with(settings: Settings, arrived: &[u8]) -> (Turns, ClientConnection) {
    let (mut client, mut server) = pair();
    while client.is_handshaking() || server.is_handshaking() {
        server.read_tls(&mut &*ciphertext(&mut client, b"")).unwrap();
        server.process_new_packets().unwrap();
        let mut answer = Vec::new();
        server.write_tls(&mut answer).unwrap();
        client.read_tls(&mut &*answer).unwrap();
        client.process_new_packets().unwrap();
    }
    server.read_tls(&mut &*ciphertext(&mut client, arrived)).unwrap();
    server.process_new_packets().unwrap();
    let mut turns = Turns::with(settings, 0);
    turns.adopt(Vec::new(), |adopted| adopted.tls(server));
    (turns, client)
}

/// What the client reads.
fn read(turns: &Turns, client: &mut ClientConnection) -> Vec<u8> {
    let mut world = turns.world.borrow_mut();
    let outbound = &mut world.sockets[0].outbound;
    let mut received = vec![0; outbound.len()];
    move_front(outbound, &mut received);
    client.read_tls(&mut &*received).unwrap();
    client.process_new_packets().unwrap();
    let mut plaintext = vec![0; 1 << 16];
    let len = client.reader().read(&mut plaintext).unwrap_or(0);
    plaintext.truncate(len);
    plaintext
}

#[test]
fn what_tls_holds_already_is_heard() {
    let (turns, mut client) = open(&text("send"));
    assert_eq!(turns.heard(), [b"send"]);
    assert_eq!(read(&turns, &mut client), sent("sent").repeat(10));
}

/// RFC 8446 §6.1: "Any data received after a closure alert has been received MUST be ignored."
#[test]
fn nothing_is_heard_behind_a_close_notify() {
    let (mut turns, mut client) = open(b"");
    let before = ciphertext(&mut client, &text("before"));
    client.send_close_notify();
    let notify = ciphertext(&mut client, b"");
    turns.receive(0, &[before, notify, b"noise".repeat(1000)].concat());
    turns.turn();
    assert_eq!(turns.heard(), [b"before"]);
}

/// A record that is none gets an alert, and costs the connection.
#[test]
fn what_is_no_tls_ends_the_connection() {
    let (mut turns, mut client) = open(b"");
    turns.receive(0, &[0x17, 3, 3, 0, 20].repeat(10));
    turns.turn();
    assert!(turns.world.borrow().sockets[0].closed);
    let mut world = turns.world.borrow_mut();
    let mut alert = vec![0; world.sockets[0].outbound.len()];
    move_front(&mut world.sockets[0].outbound, &mut alert);
    client.read_tls(&mut &*alert).unwrap();
    assert!(client.process_new_packets().is_err(), "it is told why");
}

/// L5: what is encrypted and not taken counts like everything else that waits.
#[test]
fn what_is_encrypted_and_waits_belongs_to_the_queue() {
    let mut settings = Settings::default();
    settings.queues.len_max = Some(1000);
    settings.queues.brim = Brim::Refuse;
    let (mut turns, mut client) = open_with(settings, b"");
    read(&turns, &mut client); // session tickets
    turns.world.borrow_mut().sockets[0].room = 0;
    turns.receive(0, &ciphertext(&mut client, &text("send")));
    turns.turn();
    // Ten frames of six bytes in one record.
    let held_len = 60 + 22;
    let plane = &mut turns.event_loop.plane;
    let id = plane.connections().next().unwrap();
    assert_eq!((plane.queued_len(), plane.buffered(id)), (held_len, held_len));
    let left = 1000 - held_len;
    assert_eq!(plane.send(id, vec![0; left + 1]), Err(SendError::Full));
    assert_eq!(plane.send(id, vec![0; left]), Ok(()));
    // ... and not any more once the socket has taken it.
    turns.world.borrow_mut().sockets[0].room = 1 << 20;
    turns.turn();
    turns.turn();
    let header_len = 4;
    let frames = read(&turns, &mut client);
    assert_eq!(frames.len(), 60 + header_len + left);
    assert_eq!(turns.event_loop.plane.queued_len(), 0);
}
