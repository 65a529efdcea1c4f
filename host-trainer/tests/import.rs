//! Files as people have them, by real Keras 2 and 3 and PyTorch: `tests/golden/make_import_golden.py`
//! made them, with the probabilities that the frameworks gave or the reason why one must be refused.

mod binary;

use binary::{refuses, run};
use host_trainer::interchange::{self, Told};
use host_trainer::kernels::random::Random;
use host_trainer::network::parameters::Network;
use host_trainer::network::predictor::{NetworkPredictor, Predictor};
use host_trainer::text::alphabet::Alphabet;
use serde::Deserialize;
use std::path::{Path, PathBuf};

const SYMBOLS: &str = "abcde";
/// The largest difference of a probability that is accepted.
const TOLERANCE: f64 = 1e-5;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    file: String,
    arguments: String,
    /// What the refusal says; without one the file is imported.
    refusal: Option<String>,
    /// Row i is the answer to token i with the state carried, or to a window of tokens from i on.
    #[serde(default)]
    probabilities: Vec<Vec<f64>>,
    #[serde(default)]
    window: usize,
}

fn golden() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/imports");
    tests.canonicalize().unwrap()
}

fn cases() -> Vec<Case> {
    let read = |name: &str| {
        let json = std::fs::read_to_string(golden().join(name)).unwrap();
        serde_json::from_str::<Vec<Case>>(&json).unwrap()
    };
    [read("keras.json"), read("torch.json")]
        .into_iter()
        .flatten()
        .collect()
}

fn alphabet() -> Alphabet {
    Alphabet {
        symbols: SYMBOLS.chars().collect(),
        fold_case: false,
    }
}

/// The tokens of the script.
fn token(i: usize) -> u8 {
    ((i * i + i / 7) % SYMBOLS.len()) as u8
}

/// The network's probabilities after each token of a range, from a zero state.
fn probabilities(network: &Network, tokens: std::ops::Range<usize>) -> Vec<Vec<f64>> {
    let mut predictor = NetworkPredictor::new(network);
    let rows = tokens.map(|i| {
        let logits: Vec<f64> = predictor.step(token(i)).iter().map(|&z| z.into()).collect();
        let sum: f64 = logits.iter().map(|z| z.exp()).sum();
        logits.iter().map(|z| z.exp() / sum).collect()
    });
    rows.collect()
}

#[test]
fn every_file_gives_the_frameworks_probabilities_or_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("symbols"), SYMBOLS).unwrap();
    let (mut imported, mut refused) = (0, 0);
    for case in cases() {
        let path = golden().join(&case.file);
        let what = format!("{} {}", case.file, case.arguments);
        let line = format!(
            "import {} --symbols symbols --out net {}",
            path.display(),
            case.arguments
        );
        if let Some(expected) = case.refusal {
            refuses(folder.path(), &line, &expected);
            assert!(!folder.path().join("net").exists(), "{what}");
            refused += 1;
            continue;
        }
        let output = run(folder.path(), &line);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{what}: {errors}");
        let network = Network::load(&folder.path().join("net")).unwrap();
        std::fs::remove_file(folder.path().join("net")).unwrap();
        assert_eq!(network.config.window.unwrap_or(0), case.window, "{what}");
        let rows = case.probabilities.len();
        assert!(rows > 10, "{what}");
        let found: Vec<Vec<f64>> = match case.window {
            0 => probabilities(&network, 0..rows),
            n => (0..rows)
                .map(|i| probabilities(&network, i..i + n).pop().unwrap())
                .collect(),
        };
        let pairs = found
            .iter()
            .flatten()
            .zip(case.probabilities.iter().flatten());
        let largest = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(largest <= TOLERANCE, "{what}: {largest}");
        imported += 1;
    }
    assert!(imported >= 30 && refused >= 15, "{imported} and {refused}");
}

/// What `import` says of what it cannot know, and of what it leaves out.
#[test]
fn what_a_file_does_not_tell_is_said() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("symbols"), SYMBOLS).unwrap();
    let says = |file: &str, arguments: &str| {
        let path = golden().join(file);
        let line = format!(
            "import {} --symbols symbols --out net {arguments}",
            path.display()
        );
        binary::printed(folder.path(), &line)
    };
    let activations = "note: the file does not tell the activations";
    let windows = "note: the file does not tell whether the network was trained on windows";
    for file in ["paths.npz", "keras2_weights.h5"] {
        let text = says(file, "");
        assert!(
            text.contains(activations) && text.contains(windows),
            "{text}"
        );
        assert!(!says(file, "--window 5").contains(windows));
    }
    let text = says("functional.keras", "");
    assert!(!text.contains("note:"), "{text}");
    assert!(says("onehot.pt", "").contains("the input is one-hot"));
    assert!(says("tied.safetensors", "").contains("the file shares it"));
    assert!(says("averaged.pt", "").contains("n_averaged is of type LongStorage and no weight"));
    let text = says("criterion.pt", "--ignore criterion");
    assert!(
        text.contains("criterion.weight is left out, as --ignore says"),
        "{text}"
    );
}

/// Many thousand damaged files: each is refused in one line, or is a network whose numbers are finite.
#[test]
fn damage_is_one_line_and_never_a_panic() {
    let mut files: Vec<String> = cases().into_iter().map(|case| case.file).collect();
    files.dedup();
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
    let damaged: usize = std::thread::scope(|scope| {
        let chunks = files.chunks(files.len().div_ceil(threads));
        let threads: Vec<_> = chunks
            .map(|files| scope.spawn(move || files.iter().map(|file| damage(file)).sum::<usize>()))
            .collect();
        threads.into_iter().map(|t| t.join().unwrap()).sum()
    });
    assert!(damaged > 10_000, "{damaged}");
}

/// Damages a file in many ways; how often.
fn damage(file: &str) -> usize {
    let path = Path::new(file);
    let whole = std::fs::read(golden().join(file)).unwrap();
    let told = Told::default();
    let import = |bytes: Vec<u8>| {
        let found = interchange::from_bytes(path, bytes, &told)
            .and_then(|contents| interchange::find(path, &contents, &told, &alphabet()));
        match found {
            Err(error) => {
                let error = error.to_string();
                assert!(!error.contains(char::is_control), "{file}: {error}");
                None
            }
            Ok(mapped) => {
                let mut numbers = mapped.network.parameters().concat().into_iter();
                assert!(numbers.all(f32::is_finite), "{file}");
                Some(mapped.network)
            }
        }
    };
    let network = import(whole.clone());
    let random = &mut Random::new(8);
    for _ in 0..20 {
        // What is cut off may have been empty room.
        let cut = import(whole[..random.below(whole.len())].to_vec());
        assert!(cut.is_none() || cut == network, "{file}");
    }
    for _ in 0..220 {
        let mut bytes = whole.clone();
        for _ in 0..=random.below(3) {
            let at = random.below(bytes.len());
            bytes[at] = [0, 0xff, bytes[at] ^ (1 << random.below(8))][random.below(3)];
        }
        import(bytes);
    }
    240
}
