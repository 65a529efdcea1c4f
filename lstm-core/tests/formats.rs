//! A build runs the formats of its features, and refuses the others in words. `cargo xtask test`
//! runs this with each set of features.

mod common;

use common::{At, F32Plain, Int8Plain, Net};
use lstm_core::{Format, Model, ModelError, Session, Token, WorkspaceSlices};

#[test]
fn a_format_runs_where_its_feature_is_on() {
    let formats = [
        (Format::F32, cfg!(feature = "f32")),
        (Format::Int8, cfg!(feature = "int8")),
        (Format::Int4, cfg!(feature = "int4")),
    ];
    let built = formats.iter().filter(|(_, is_on)| *is_on);
    let names: Vec<_> = built.map(|(format, _)| format.name()).collect();
    for (format, is_on) in formats {
        let file = match format {
            Format::F32 => Net::<f32, F32Plain>::random(3, &[5], 1).file(),
            _ => Net::<i8, Int8Plain>::random_in(format, 3, &[5], 1).file(),
        };
        let at = At::new(&file, 0);
        assert_eq!(format.is_built(), is_on, "{format}");
        match Model::from_bytes(at.bytes()) {
            Ok(model) => {
                assert!(is_on, "{format} is read");
                let mut words = vec![0; model.workspace_words()];
                let mut logits = [0; 3];
                let mut session =
                    Session::new(model, WorkspaceSlices::new(&mut words, &mut logits)).unwrap();
                let logits: Vec<f32> = session.step(Token::new(1)).iter().collect();
                assert!(
                    logits.iter().any(|&logit| logit != 0.0),
                    "{format}: {logits:?}"
                );
            }
            Err(error) => {
                assert!(!is_on, "{format}: {error}");
                assert_eq!(error, ModelError::Format { found: format });
                let message = error.to_string();
                assert!(message.ends_with(&names.join(", ")), "{message}");
            }
        }
    }
}
