//! Packets cut, joined and out of order.

use tokio::net::TcpListener;

use super::*;

async fn pair() -> (Packets, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (server, _) = listener.accept().await.unwrap();
    (Packets::new(Socket::Plain(client)), server)
}

fn framed(payload: &[u8], sequence: u8) -> Vec<u8> {
    let mut out = (payload.len() as u32).to_le_bytes()[..3].to_vec();
    out.push(sequence);
    out.extend_from_slice(payload);
    out
}

#[tokio::test]
async fn packets_come_whole_however_the_bytes_are_cut() {
    let (mut packets, mut server) = pair().await;
    let payloads: Vec<Vec<u8>> = [0usize, 1, 5, 300, CHUNK - 1, CHUNK + 77, 3 * CHUNK, 2]
        .iter()
        .enumerate()
        .map(|(n, len)| vec![n as u8; *len])
        .collect();
    let wire: Vec<u8> = payloads.iter().enumerate().flat_map(|(n, p)| framed(p, n as u8)).collect();
    tokio::spawn(async move {
        for piece in wire.chunks(7919) {
            server.write_all(piece).await.unwrap();
        }
        std::future::pending::<()>().await;
    });
    for payload in &payloads {
        assert_eq!(&packets.receive().await.unwrap(), payload);
    }
    assert_eq!(packets.receive_now().unwrap(), None);
}

#[tokio::test]
async fn a_packet_of_several_is_joined() {
    let (mut packets, mut server) = pair().await;
    let body: Vec<u8> = (0..FULL * 2 + 10).map(|n| (n % 251) as u8).collect();
    let expected = body.clone();
    tokio::spawn(async move {
        for (n, piece) in body.chunks(FULL).enumerate() {
            server.write_all(&framed(piece, n as u8)).await.unwrap();
        }
        // One of exactly the limit ends with an empty one.
        server.write_all(&framed(&body[..FULL], 0)).await.unwrap();
        server.write_all(&framed(&[], 1)).await.unwrap();
    });
    assert!(packets.receive().await.unwrap() == expected);
    assert!(packets.receive().await.unwrap() == expected[..FULL]);
    let end = packets.receive().await.unwrap_err();
    assert_eq!(end.code(), Code::Interrupted);
}

#[tokio::test]
async fn an_announced_gigabyte_is_refused_before_it_is_allocated() {
    let (mut packets, mut server) = pair().await;
    let mut first = vec![0u8; FULL];
    first[10..14].copy_from_slice(&u32::MAX.to_le_bytes());
    packets.expect_events();
    tokio::spawn(async move { server.write_all(&framed(&first, 0)).await.unwrap() });
    assert_eq!(packets.receive().await.unwrap_err().code(), Code::Interrupted);
}

#[test]
fn an_announced_size_gets_no_more_room_than_a_few_packets() {
    let first = vec![0u8; FULL];
    for announced in [0, FULL + 5, MAX_PACKET - 1] {
        let joined = begin_joined(&first, announced).unwrap();
        assert!(joined.capacity() >= 2 * FULL && joined.capacity() <= 4 * FULL, "{announced}");
    }
}

#[tokio::test]
async fn small_packets_share_one_buffer() {
    let (mut packets, mut server) = pair().await;
    let wire: Vec<u8> = (0..100u8).flat_map(|n| framed(&[n; 50], n)).collect();
    server.write_all(&wire).await.unwrap();
    let first = packets.receive().await.unwrap();
    let second = packets.receive().await.unwrap();
    assert_eq!(second.as_ptr() as usize - first.as_ptr() as usize, 54, "slices of the same allocation");
}
