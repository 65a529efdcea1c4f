//! Snapshots: the same text on both sides, and nothing changed by a bad one.

mod common;

use base64ct::{Base64UrlUnpadded, Encoding};
use common::{At, F32Plain, Int8Plain, Net, encode, times};
use lstm_core::file::{HEAD_BYTES, Payload};
use lstm_core::snapshot::{self, CHUNK_BYTES, Decoder};
use lstm_core::{
    Error, Format, Generator, Golden, LayerShape, MAX_WINDOW, Model, Sampler, Session, Token,
    TokenDigest,
};

const VOCAB: usize = 11;

/// The RAM of a generator.
struct Ram {
    words: Vec<u32>,
    logits: Vec<u32>,
}

impl Ram {
    fn new(model: &Model<'_>) -> Self {
        Ram {
            words: vec![0; Session::words(model)],
            logits: vec![0; VOCAB],
        }
    }

    fn generator<'s, 'm>(&'s mut self, model: &'s Model<'m>, seed: u64) -> Generator<'s, 'm> {
        let session = Session::from_slices(model, &mut self.words, &mut self.logits).unwrap();
        Generator::new(session, Sampler::new(seed)).unwrap()
    }
}

/// The same file with a window.
fn windowed(file: &[u8], window: u16) -> Vec<u8> {
    let (payload, _) = postcard::take_from_bytes::<Payload<'_>>(&file[HEAD_BYTES..]).unwrap();
    encode(Payload {
        window: Some(window),
        padding: &[],
        ..payload
    })
}

fn each_model(check: impl Fn(&Model<'_>)) {
    // The units of each layer.
    let [lean, lstm] = [times(13, 5), times(6, 2)].map(|units| units as u16);
    let stack = [LayerShape::lean(lean).project(5), LayerShape::lstm(lstm)];
    let f32 = Net::<f32, F32Plain>::random_shapes(VOCAB, &stack, 1).file();
    check(&At::new(&f32, 0).model());
    for format in [Format::Int8, Format::Int4] {
        let file = Net::<i8, Int8Plain>::random_shapes(format, VOCAB, &stack, 1).file();
        check(&At::new(&windowed(&file, 7), 0).model());
        // Miri has f32 without a window.
        if !cfg!(miri) {
            check(&At::new(&file, 0).model());
        }
    }
}

fn text(generator: &mut Generator<'_, '_>, n: usize) -> Vec<Token> {
    (0..n).map(|_| generator.write()).collect()
}

fn save(generator: &Generator<'_, '_>) -> Vec<u8> {
    let mut snapshot = vec![0; generator.snapshot_bytes()];
    generator.save(&mut snapshot).unwrap();
    snapshot
}

/// Makes the checksum of a snapshot right.
fn seal(snapshot: &mut [u8]) {
    let (content, checksum) = snapshot.split_last_chunk_mut().unwrap();
    let crc = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC);
    *checksum = crc.checksum(content).to_le_bytes();
}

#[test]
fn a_snapshot_goes_on_identically_at_any_moment() {
    each_model(|model| {
        let (mut one, mut two) = (Ram::new(model), Ram::new(model));
        for before in [0, 1, 3, 20].into_iter().step_by(times(1, 2)) {
            let mut generator = one.generator(model, 5);
            let sampler = Sampler::new(5).temperature(0.7).unwrap();
            generator.set_sampler(sampler.top_k(9).unwrap().top_p(0.9).unwrap());
            if before > 0 {
                generator.read(Token::new(3));
            }
            text(&mut generator, before);
            let mut other = two.generator(model, 1);
            text(&mut other, times(10, 2));
            other.restore(&save(&generator)).unwrap();
            assert_eq!(other.position(), before as u64);
            assert_eq!(other.sampler(), generator.sampler());
            let n = times(50, 2);
            assert_eq!(text(&mut other, n), text(&mut generator, n));
            assert_eq!(save(&other), save(&generator));
        }
    });
}

#[test]
fn a_restart_is_the_start() {
    each_model(|model| {
        let mut ram = Ram::new(model);
        let mut generator = ram.generator(model, 5);
        let start = save(&generator);
        generator.read(Token::new(2));
        text(&mut generator, times(30, 3));
        generator.restart(Sampler::new(5));
        assert_eq!(save(&generator), start);
    });
}

#[test]
fn a_model_with_a_window_writes_from_its_last_tokens_alone() {
    let file = Net::<i8, Int8Plain>::random(VOCAB, &[6], 1).file();
    let at = At::new(&windowed(&file, 7), 0);
    let model = at.model();
    let (mut one, mut two) = (Ram::new(&model), Ram::new(&model));
    let mut generator = one.generator(&model, 5);
    let mut fresh = two.generator(&model, 5);
    let n = times(20, 8);
    let written = text(&mut generator, n);
    for &token in &written[n - 7..] {
        fresh.read(token);
    }
    fresh.set_sampler(generator.sampler().clone());
    assert_eq!(text(&mut fresh, n), text(&mut generator, n));

    let too_long = At::new(&windowed(&file, MAX_WINDOW as u16 + 1), 0);
    let model = too_long.model();
    let mut ram = Ram::new(&model);
    let session = Session::from_slices(&model, &mut ram.words, &mut ram.logits).unwrap();
    let (found, expected) = (MAX_WINDOW + 1, MAX_WINDOW);
    let error = Generator::new(session, Sampler::new(1)).err();
    assert_eq!(error, Some(Error::Window { found, expected }));
}

#[test]
fn a_refused_snapshot_changes_nothing() {
    each_model(|model| {
        let (mut one, mut two) = (Ram::new(model), Ram::new(model));
        let mut generator = one.generator(model, 5);
        text(&mut generator, times(20, 2));
        let snapshot = save(&generator);
        let mut other = two.generator(model, 6);
        text(&mut other, times(10, 2));
        let before = save(&other);

        for bit in (0..8 * snapshot.len()).step_by(times(1, 61)) {
            let mut damaged = snapshot.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(other.restore(&damaged), Err(Error::SnapshotDamaged));
        }
        let expected = snapshot.len();
        for found in (0..expected).step_by(times(1, 7)) {
            let error = Err(Error::SnapshotLength { found, expected });
            assert_eq!(other.restore(&snapshot[..found]), error);
        }
        let sealed = |at: usize, byte: u8| {
            let mut changed = snapshot.clone();
            changed[at] = byte;
            seal(&mut changed);
            changed
        };
        let found = model.checksum() ^ 0xff;
        let expected = model.checksum();
        let error = Err(Error::SnapshotModel { found, expected });
        assert_eq!(other.restore(&sealed(0, snapshot[0] ^ 0xff)), error);
        // Window or not, a temperature, a top-k, a top-p, the last token, h or the tokens' number.
        for (at, byte) in [(4, 9), (32, 0xff), (34, 2), (38, 0xff), (40, 9)] {
            let error = Err(Error::SnapshotDamaged);
            assert_eq!(other.restore(&sealed(at, byte)), error, "byte {at}");
        }
        assert_eq!(save(&other), before);
    });
}

/// Whoever makes a checksum right may claim any number of tokens.
#[test]
fn a_position_at_its_largest_goes_on_at_zero() {
    const POSITION: usize = 41;
    each_model(|model| {
        let mut ram = Ram::new(model);
        let mut generator = ram.generator(model, 5);
        text(&mut generator, 3);
        let mut snapshot = save(&generator);
        let position = &mut snapshot[POSITION..][..8];
        assert_eq!(position, 3u64.to_le_bytes());
        position.fill(0xff);
        seal(&mut snapshot);
        let n = times(5, 2);
        let honest = text(&mut generator, n);
        assert_eq!(generator.restore(&snapshot), Ok(()));
        assert_eq!(generator.position(), u64::MAX);
        assert_eq!(text(&mut generator, n), honest);
        assert_eq!(generator.position(), n as u64 - 1);
    });
}

#[test]
fn what_fills_up_the_window_of_a_snapshot_is_zero() {
    let file = Net::<i8, Int8Plain>::random(VOCAB, &[6], 1).file();
    let at = At::new(&windowed(&file, 7), 0);
    let model = at.model();
    let mut ram = Ram::new(&model);
    let mut generator = ram.generator(&model, 5);
    text(&mut generator, 2);
    let snapshot = save(&generator);
    let end = snapshot.len() - 4;
    for from_end in 1..=7 {
        let mut changed = snapshot.clone();
        changed[end - from_end] ^= 1;
        seal(&mut changed);
        let restored = generator.restore(&changed);
        let is_token = from_end > 7 - usize::from(snapshot[end - 8]);
        let expected = match is_token {
            true => Ok(()),
            false => Err(Error::SnapshotDamaged),
        };
        assert_eq!(restored, expected, "byte {from_end} from the end");
    }
}

#[test]
fn text_and_bytes_of_a_snapshot() {
    for bytes in (0..200).step_by(times(1, 7)) {
        let snapshot: Vec<u8> = (0..bytes).map(|i| (i * 37) as u8).collect();
        let chunks = snapshot.chunks(CHUNK_BYTES);
        let text: String = chunks.map(|c| snapshot::encode(c).to_string()).collect();
        assert_eq!(text, Base64UrlUnpadded::encode_string(&snapshot));
        let mut decoded = vec![0; bytes];
        let mut decoder = Decoder::new();
        for character in text.bytes() {
            decoder.push(character, &mut decoded).unwrap();
        }
        assert_eq!(decoder.finish(&mut decoded), Ok(bytes));
        assert_eq!(decoded, snapshot);
    }
    let mut bytes = [7; 4];
    let mut decoder = Decoder::new();
    for character in *b"AAAAAAAAAA" {
        decoder.push(character, &mut bytes[..2]).unwrap();
    }
    let found = b'+';
    let error = Err(Error::SnapshotCharacter { found });
    assert_eq!(decoder.push(found, &mut bytes), error);
    assert_eq!(decoder.finish(&mut bytes[..2]), Ok(7));
    assert_eq!(bytes, [0, 0, 7, 7]);
    let mut one = Decoder::new();
    one.push(b'A', &mut bytes).unwrap();
    assert_eq!(one.finish(&mut bytes), Err(Error::SnapshotDamaged));
}

#[test]
fn text_of_up_to_four_characters_decodes_as_the_library_decodes_it() {
    let characters: Vec<u8> = (0..=255).step_by(times(1, 23)).collect();
    let few: Vec<u8> = b"AQgw09-_+/= "
        .iter()
        .copied()
        .step_by(times(1, 4))
        .collect();
    let mut texts: Vec<Vec<u8>> = characters.iter().map(|&c| vec![c]).collect();
    for &a in &few {
        texts.extend(characters.iter().map(|&b| vec![a, b]));
        for &b in &few {
            texts.extend(characters.iter().map(|&c| vec![a, b, c]));
            texts.extend(characters.iter().map(|&d| vec![a, b, b'A', d]));
        }
    }
    for text in texts {
        let (mut decoder, mut bytes) = (Decoder::new(), [0; 3]);
        let mut decode = || {
            for &character in &text {
                decoder.push(character, &mut bytes)?;
            }
            decoder.finish(&mut bytes)
        };
        let decoded = decode().ok().map(|count| bytes[..count].to_vec());
        let text = str::from_utf8(&text).ok();
        let expected = text.and_then(|text| Base64UrlUnpadded::decode_vec(text).ok());
        assert_eq!(decoded, expected, "{text:?}");
    }
}

#[test]
#[cfg_attr(miri, ignore = "a thousand steps of five models")]
fn the_golden_digest_is_that_of_the_first_thousand_tokens() {
    each_model(|model| {
        let (mut one, mut two) = (Ram::new(model), Ram::new(model));
        let mut generator = one.generator(model, 1);
        let mut digest = TokenDigest::new();
        for token in text(&mut generator, 1000) {
            digest.push(token);
        }
        let mut other = two.generator(model, 9);
        text(&mut other, 3);
        assert_eq!(Golden::digest(&mut other), digest.value());
        // Of "123456789", as every CRC-32 is checked.
        let mut digest = TokenDigest::new();
        for byte in *b"123456789" {
            digest.push(Token::new(byte));
        }
        assert_eq!(digest.value(), 0xcbf4_3926);
    });
}
