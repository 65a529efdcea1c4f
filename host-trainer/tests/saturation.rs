//! Networks that the integers do not hold.

mod binary;

use binary::{printed, refuses};
use host_trainer::kernels::random::Random;
use host_trainer::network::config::{LayerConfig, NetworkConfig};
use host_trainer::network::parameters::Network;
use host_trainer::text::alphabet::Alphabet;

/// One unit that counts, 1 for each a and -1 for each b: the text takes it to 60.
fn counter() -> Network {
    let alphabet = Alphabet {
        symbols: vec!['a', 'b'],
        fold_case: false,
    };
    let config = NetworkConfig::stack(&alphabet, 1, LayerConfig::lstm(1), 1);
    let mut network = Network::new(config, &mut Random::new(1)).unwrap();
    network.embedding = vec![1.0, -1.0];
    let layer = &mut network.layers[0];
    layer.w_ih = vec![0.0, 0.0, 5.0, 0.0];
    layer.w_hh = vec![0.0; 4];
    layer.bias = vec![12.0, 12.0, 0.0, 12.0];
    network.dense_weight = vec![3.0, -3.0];
    network
}

#[test]
fn a_network_that_counts_is_refused_in_integers_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    counter().save(&path.join("n.safetensors")).unwrap();
    let count = ("a".repeat(60) + &"b".repeat(60)).repeat(60);
    std::fs::write(path.join("count.txt"), count).unwrap();
    for format in ["int8", "int4"] {
        for line in [
            format!("quantize n.safetensors --format {format} --out q"),
            format!("export n.safetensors --format {format} --out m.lstm"),
        ] {
            refuses(path, &line, "of its cell states go beyond 16, up to ");
        }
    }
    refuses(
        path,
        "export n.safetensors --out m.lstm",
        "or --saturate, which rounds it all the same",
    );
    assert!(!path.join("q").exists() && !path.join("m.lstm").exists());
    let bits = |file: &str| -> f64 {
        let line = format!("evaluate {file} --corpus count.txt --split test");
        let table = printed(path, &line);
        table
            .split_whitespace()
            .rev()
            .nth(1)
            .unwrap()
            .parse()
            .unwrap()
    };
    // In f32 it may go, and is the network that it was; in integers it is another.
    printed(path, "export n.safetensors --format f32 --out f.lstm");
    assert!((bits("f.lstm") - bits("n.safetensors")).abs() < 1e-3);
    for line in [
        "quantize n.safetensors --saturate --out q.safetensors",
        "export n.safetensors --saturate --out m.lstm",
    ] {
        let told = printed(path, line);
        assert!(told.contains("note: layer 0: 9"), "{told}");
    }
    assert_eq!(bits("q.safetensors"), bits("m.lstm"));
    assert!((bits("m.lstm") - bits("n.safetensors")).abs() > 1.0);
    // What is in integers already was decided then.
    printed(path, "export q.safetensors --out again.lstm");
}
