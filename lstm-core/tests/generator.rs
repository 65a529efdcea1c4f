//! Snapshots: the same text on both sides, and nothing changed by a bad one.

mod common;

use common::ngrams::{Table, Vectors, ngrams};
use common::{At, F32Plain, Int8Plain, Net, times};
use lstm_core::export::{Description, HEAD_BYTES, Payload, encode_file};
use lstm_core::{
    Format, Golden, LayerShape, MAX_WINDOW, Model, ModelError, Sampler, Session, SnapshotError,
    Token, TokenDigest, WorkspaceError, WorkspaceSlices,
};

/// A generator with room for the windows of these tests.
type Generator<'m, 's> = lstm_core::Generator<'m, WorkspaceSlices<'s>, 7>;

const VOCAB: usize = 11;

/// The RAM of a generator.
struct Ram {
    words: Vec<u32>,
    logits: Vec<u32>,
}

impl Ram {
    fn new(model: &Model<'_>) -> Self {
        Ram {
            words: vec![0; model.workspace_words()],
            logits: vec![0; VOCAB],
        }
    }

    fn session<'m>(&mut self, model: &Model<'m>) -> Session<'m, WorkspaceSlices<'_>> {
        Session::new(
            *model,
            WorkspaceSlices::new(&mut self.words, &mut self.logits),
        )
        .unwrap()
    }

    fn generator<'m>(&mut self, model: &Model<'m>, seed: u64) -> Generator<'m, '_> {
        Generator::with_room(self.session(model), Sampler::new(seed)).unwrap()
    }
}

/// The same file with a window.
fn windowed(file: &[u8], window: u16) -> Vec<u8> {
    let Payload {
        description,
        ngrams,
        golden,
    } = Payload::decode(file[4].into(), &file[HEAD_BYTES..]).unwrap();
    let description = Description {
        window: Some(window),
        ..description
    };
    encode_file(&description, &ngrams, golden).unwrap()
}

fn each_model(check: impl Fn(&Model<'_>)) {
    // The units of each layer.
    let [cifg, lstm] = [times(13, 5), times(6, 2)].map(|units| units as u16);
    let stack = [LayerShape::cifg(cifg).project(5), LayerShape::lstm(lstm)];
    let f32 = Net::<f32, F32Plain>::random_shapes(VOCAB, &stack, 1).file();
    check(&At::new(&f32, 0).model());
    for format in [Format::Int8, Format::Int4] {
        let file = Net::<i8, Int8Plain>::random_shapes(format, VOCAB, &stack, 1).file();
        check(&At::new(&windowed(&file, 7), 0).model());
        // Miri has f32 without a window.
        if !cfg!(miri) {
            check(&At::new(&file, 0).model());
        }
        let table = Table::random(VOCAB, stack[1].output(), 1, &[9, 30, 60], 1);
        let vectors = Vectors::random(VOCAB, stack[0].output(), [9, 30, 60], 1);
        let net = Net::<i8, Int8Plain>::random_shapes(format, VOCAB, &stack, 1);
        let file = net.file_with(&ngrams(Some(&vectors), Some(&table)));
        check(&At::new(&file, 0).model());
        if !cfg!(miri) {
            check(&At::new(&windowed(&file, 7), 0).model());
        }
    }
}

fn text(generator: &mut Generator<'_, '_>, n: usize) -> Vec<Token> {
    (0..n).map(|_| generator.next_token()).collect()
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
            let sampler = Sampler::new(5).with_temperature(0.7).unwrap();
            *generator.sampler_mut() = sampler.with_top_k(9).unwrap().with_top_p(0.9).unwrap();
            if before > 0 {
                generator.prime(Token::new(3));
            }
            text(&mut generator, before);
            let mut other = two.generator(model, 1);
            text(&mut other, times(10, 2));
            other.restore(&save(&generator)).unwrap();
            assert_eq!(other.written(), before as u64);
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
        generator.prime(Token::new(2));
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
        fresh.prime(token);
    }
    *fresh.sampler_mut() = generator.sampler().clone();
    assert_eq!(text(&mut fresh, n), text(&mut generator, n));

    // There is room for 7.
    let at = At::new(&windowed(&file, 8), 0);
    let model = at.model();
    let mut ram = Ram::new(&model);
    let (found, expected) = (8, 7);
    let error = Generator::with_room(ram.session(&model), Sampler::new(1)).err();
    assert_eq!(error, Some(WorkspaceError::Window { found, expected }));
    // Nor is there a window that a snapshot could not count.
    let (found, expected) = (129, MAX_WINDOW);
    let session = ram.session(&model);
    let windowed = lstm_core::Generator::<_, 300>::windowed(session, Sampler::new(1), found);
    assert_eq!(
        windowed.err(),
        Some(WorkspaceError::Window { found, expected })
    );
}

/// A file may say any window; a model has one that can be run.
#[test]
fn a_window_that_cannot_be_run_is_refused_with_the_file() {
    let file = Net::<i8, Int8Plain>::random(VOCAB, &[6], 1).file();
    for found in [0, 129, u16::MAX] {
        let at = At::new(&windowed(&file, found), 0);
        let found = found.into();
        let error = Model::from_bytes(at.bytes()).err();
        assert_eq!(error, Some(ModelError::Window { found }));
    }
    for window in [1, 128] {
        let at = At::new(&windowed(&file, window), 0);
        assert_eq!(at.model().window(), Some(window.into()));
    }
}

#[test]
fn a_generator_is_an_iterator_over_the_same_tokens() {
    each_model(|model| {
        let (mut one, mut two) = (Ram::new(model), Ram::new(model));
        let (mut generator, other) = (one.generator(model, 5), two.generator(model, 5));
        let n = times(20, 3);
        assert!(other.take(n).eq(text(&mut generator, n)));
    });
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
            assert_eq!(other.restore(&damaged), Err(SnapshotError::Damaged));
        }
        let expected = snapshot.len();
        for found in (0..expected).step_by(times(1, 7)) {
            let error = Err(SnapshotError::Length { found, expected });
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
        let error = Err(SnapshotError::Model { found, expected });
        assert_eq!(other.restore(&sealed(1, snapshot[1] ^ 0xff)), error);
        for found in [0, 1, 3] {
            let error = Err(SnapshotError::Version { found, expected: 2 });
            assert_eq!(other.restore(&sealed(0, found)), error);
        }
        // Window or not, a temperature, a top-k, a top-p, the last token, h or the tokens' number.
        for (at, byte) in [(5, 9), (33, 0xff), (35, 2), (39, 0xff), (41, 9)] {
            let error = Err(SnapshotError::Damaged);
            assert_eq!(other.restore(&sealed(at, byte)), error, "byte {at}");
        }
        assert_eq!(save(&other), before);
    });
}

/// Whoever makes a checksum right may claim any number of tokens.
#[test]
fn a_position_at_its_largest_goes_on_at_zero() {
    const POSITION: usize = 42;
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
        assert_eq!(generator.written(), u64::MAX);
        assert_eq!(text(&mut generator, n), honest);
        assert_eq!(generator.written(), n as u64 - 1);
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
            false => Err(SnapshotError::Damaged),
        };
        assert_eq!(restored, expected, "byte {from_end} from the end");
    }
}

#[test]
#[cfg_attr(miri, ignore = "a thousand steps of nine models")]
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

/// Each token is drawn from the softmax of the logits at the temperature, cut by top-k.
#[test]
fn weights_are_those_that_the_token_was_drawn_from() {
    const TEMPERATURE: f32 = 0.7;
    const TOP_K: usize = 4;
    each_model(|model| {
        let (mut ram, mut logits_ram) = (Ram::new(model), Ram::new(model));
        let sampler = Sampler::new(3).with_temperature(TEMPERATURE).unwrap();
        let sampler = sampler.with_top_k(TOP_K).unwrap();
        let mut generator = Generator::stateful(ram.session(model), sampler).unwrap();
        let mut session = logits_ram.session(model);
        let mut read = Token::default();
        for _ in 0..times(50, 5) {
            let token = generator.next_token();
            let logits: Vec<f32> = session.step(read).iter().collect();
            let weights = generator.weights().unwrap();
            assert_eq!(weights.len(), VOCAB);
            assert!(weights[token.index()] > 0);
            assert!(weights.iter().filter(|&&weight| weight > 0).count() <= TOP_K);
            let best = (0..VOCAB).max_by(|&a, &b| logits[a].total_cmp(&logits[b]));
            let best = best.unwrap();
            for (&weight, logit) in weights.iter().zip(&logits) {
                let expected = ((logit - logits[best]) / TEMPERATURE).exp();
                let found = weight as f32 / weights[best] as f32;
                assert!(
                    weight == 0 || (found - expected).abs() < 0.01,
                    "{found} {expected}"
                );
            }
            read = token;
        }
        *generator.sampler_mut() = Sampler::new(3).with_temperature(0.0).unwrap();
        generator.next_token();
        assert_eq!(generator.weights(), None);
    });
}
