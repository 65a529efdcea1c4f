//! The notebook's losses stand beside a run of its own network on its own text.

use host_trainer::network::config::{EMBEDDING, NetworkConfig};
use host_trainer::text::alphabet::AlphabetKind;
use host_trainer::text::corpus::Corpus;
use host_trainer::text::text_file::TextFile;
use host_trainer::training::phase::window;
use host_trainer::training::recipe::Recipe;
use host_trainer::training::run_config::RunConfig;
use std::path::Path;

#[test]
fn the_notebooks_losses_are_of_its_own_training_alone() {
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../data/sonnets.txt"));
    let corpus = Corpus::read(path, AlphabetKind::Letters).unwrap();
    for recipe in ["many-to-one", "many-to-many"] {
        let recipe = Recipe::named(recipe).unwrap();
        let layer = recipe.layer;
        let mut config = RunConfig {
            recipe,
            seed: 7,
            minutes: None,
            alphabet: Some(AlphabetKind::Letters),
            corpus: TextFile::new(path, &corpus.tokens),
            pretrain: None,
            from: None,
            memory: None,
            network: NetworkConfig::stack(&corpus.alphabet, EMBEDDING, layer, 1),
            phases: recipe.phases(false).unwrap(),
        };
        config.network.window = window(&config.phases);
        assert_eq!(config.notebook_losses(), recipe.notebook_losses);
        let changed = |change: fn(&mut RunConfig)| {
            let mut config = config.clone();
            change(&mut config);
            config.notebook_losses().is_some()
        };
        assert!(changed(|config| config.phases[0].epochs = 3.0));
        let changes: [fn(&mut RunConfig); 6] = [
            |config| config.corpus = TextFile::new(Path::new("a"), &[1]),
            |config| config.network.layers[0].hidden = 65,
            |config| config.network.fold_case = false,
            |config| *config.phases[0].feed.batch_size_mut() = 64,
            |config| config.phases[0].validate_every = Some(50),
            |config| config.phases[0].embedding_rate = 1.0,
        ];
        assert!(!changes.into_iter().any(changed));
    }
    assert!(Recipe::named("sonnets").unwrap().notebook_losses.is_none());
}
