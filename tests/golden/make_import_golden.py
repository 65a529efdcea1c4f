"""Files as people have them, saved by real Keras 2 and 3 and PyTorch, and what `import` must make of each.

Needs: pip install torch keras tf_keras tensorflow-cpu h5py numpy safetensors. The committed files come from

    python3 tests/golden/make_import_golden.py keras tests/golden/imports
    python3 tests/golden/make_import_golden.py torch tests/golden/imports

with Keras 3.15.1, tf_keras 2.21.0 and PyTorch 2.15.0 (TensorFlow and PyTorch's compiler do not run in one
process). `keras.json` and `torch.json` hold for each file the arguments of
`import` with either the framework's probabilities for the first characters, or what a refusal must say.
"""

import argparse
import json
import os
import pathlib
import random
import sys

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np

if sys.argv[1] == "keras":
    import h5py
    import keras
    import tf_keras
    from keras import layers
else:
    import safetensors.torch
    import torch

SYMBOLS, EMBEDDING, HIDDEN = 5, 3, 4
TOKENS = np.array([(i * i + i // 7) % SYMBOLS for i in range(24)])
RANDOM = np.random.default_rng(1)
CASES = []
FRAMEWORK, FOLDER = sys.argv[1], pathlib.Path(sys.argv[2])
# The file's name alone was enough for a library to read it wrong.
NAME_OF_21 = "name_of_21_characters.pt"


def imports(file, probabilities, arguments="", window=0):
    rows = np.asarray(probabilities, dtype="f8").round(7).tolist()
    CASES.append({"file": file, "arguments": arguments, "window": window, "probabilities": rows})


def refuses(file, says, arguments=""):
    CASES.append({"file": file, "arguments": arguments, "refusal": says})


def spread(model):
    """Weights that are large enough to tell networks apart, biases too."""
    weights = [RANDOM.uniform(-0.9, 0.9, w.shape).astype("f4") for w in model.get_weights()]
    model.set_weights(weights)
    return model


# Keras 3


def stack(hidden, names=None, every_step=True, start=None, onehot=False, between=(), cell=None, **options):
    parts = [keras.Input((None, SYMBOLS) if onehot else (None,)) if start is None else start]
    if not onehot:
        parts.append(layers.Embedding(SYMBOLS, EMBEDDING, **options.pop("embedding", {})))
    dense = options.pop("dense", {})
    for index, size in enumerate(hidden):
        name = {"name": names[index]} if names else {}
        sequences = every_step or index + 1 < len(hidden)
        parts += [(cell or layers.LSTM)(size, return_sequences=sequences, **name, **options), *between]
    parts.append(layers.Dense(SYMBOLS, activation="softmax", **dense))
    return spread(keras.Sequential(parts))


def run(model, tokens=TOKENS, onehot=False):
    tokens = np.eye(SYMBOLS, dtype="f4")[tokens] if onehot else tokens
    return np.asarray(keras.ops.convert_to_numpy(model(tokens[None])))[0]


def windows(run_one, length):
    return [run_one(TOKENS[i : i + length]) for i in range(len(TOKENS) - length)]


def subclass():
    class Subclass(keras.Model):
        """Attributes whose names are sorted otherwise than they run."""

        def __init__(self):
            super().__init__()
            self.embedding = layers.Embedding(SYMBOLS, HIDDEN)
            self.first = layers.LSTM(HIDDEN, return_sequences=True)
            self.another = layers.LSTM(HIDDEN, return_sequences=True)
            self.dense = layers.Dense(SYMBOLS, activation="softmax")

        def call(self, x):
            return self.dense(self.another(self.first(self.embedding(x))))

    return Subclass()


def keras_3():
    model = stack([HIDDEN, HIDDEN], every_step=False, start=keras.Input(batch_shape=(1, 1)), stateful=True)
    model.save(FOLDER / "stateful.keras")
    imports("stateful.keras", [run(model, TOKENS[i : i + 1]) for i in range(len(TOKENS))])

    model = stack([HIDDEN], every_step=False)
    model.save(FOLDER / "window_untold.keras")
    refuses("window_untold.keras", "expected --window N")
    imports("window_untold.keras", windows(lambda t: run(model, t), 6), "--window 6", 6)
    refuses("window_untold.keras", "expected at most 128", "--window 129")
    stack([HIDDEN], every_step=False, start=keras.Input((200,))).save(FOLDER / "window_200.keras")
    refuses("window_200.keras", "found a window of 200 characters, expected at most 128")

    model = stack([EMBEDDING, EMBEDDING], names=["reader", "polisher"])
    np.savez(FOLDER / "paths.npz", **{w.path: keras.ops.convert_to_numpy(w) for w in model.weights})
    imports("paths.npz", run(model))
    model.save(FOLDER / "whole.h5")
    imports("whole.h5", run(model))
    x = tokens = keras.Input((None,))
    x = layers.Embedding(SYMBOLS, HIDDEN)(x)
    for name in ["zeta", "alpha"]:
        x = layers.LSTM(HIDDEN, return_sequences=True, name=name)(x)
    model = spread(keras.Model(tokens, layers.Dense(SYMBOLS, activation="softmax")(x)))
    model.save(FOLDER / "functional.keras")
    imports("functional.keras", run(model))
    model = subclass()
    run(model)
    spread(model).save_weights(FOLDER / "subclass.weights.h5")
    refuses("subclass.weights.h5", "is not in the file, expected --order")
    imports("subclass.weights.h5", run(model), "--order first/cell,another/cell")
    refuses("subclass.weights.h5", "expected all of", "--order first/cell")

    model = stack([HIDDEN], onehot=True)
    model.save(FOLDER / "onehot.keras")
    imports("onehot.keras", run(model, onehot=True))
    np.savez(FOLDER / "onehot_list.npz", *model.get_weights())
    imports("onehot_list.npz", run(model, onehot=True))
    model = stack([HIDDEN], use_bias=False, dense={"use_bias": False})
    np.savez_compressed(FOLDER / "no_bias_list.npz", *model.get_weights())
    imports("no_bias_list.npz", run(model))
    for dtype in ["float16", "bfloat16"]:
        half = {"dtype": dtype}
        # TensorFlow makes no orthogonal matrix of bfloat16.
        model = stack([HIDDEN], recurrent_initializer="glorot_uniform", **half, embedding=half, dense=half)
        plain = stack([HIDDEN])
        plain.set_weights([keras.ops.convert_to_numpy(keras.ops.cast(w, "float32")) for w in model.weights])
        model.save_weights(FOLDER / f"{dtype}.weights.h5")
        imports(f"{dtype}.weights.h5", run(plain))

    model = stack([32])
    model.save_weights(FOLDER / "plain.weights.h5")
    with h5py.File(FOLDER / "plain.weights.h5") as plain, h5py.File(FOLDER / "gzip.weights.h5", "w") as zipped:

        def shrink(name, item):
            if isinstance(item, h5py.Dataset) and item.shape:
                zipped.create_dataset(name, data=np.round(item[()], 1), compression="gzip", shuffle=True)

        plain.visititems(shrink)
    (FOLDER / "plain.weights.h5").unlink()
    model.set_weights([np.round(w, 1) for w in model.get_weights()])
    imports("gzip.weights.h5", run(model))

    model = stack([HIDDEN])
    model.quantize("int8")
    model.save(FOLDER / "quantized.keras")
    refuses("quantized.keras", "is quantized, expected")
    inner = keras.Sequential(
        [
            keras.Input((None,)),
            layers.Embedding(SYMBOLS, EMBEDDING),
            layers.LSTM(HIDDEN, return_sequences=True, recurrent_dropout=0.2),
            layers.GaussianNoise(0.1),
        ]
    )
    last = layers.LSTM(HIDDEN, return_sequences=True)
    dense = layers.TimeDistributed(layers.Dense(SYMBOLS, activation="softmax"))
    model = spread(keras.Sequential([inner, layers.Dropout(0.2), last, dense]))
    model.save(FOLDER / "nested.keras")
    imports("nested.keras", run(model))
    cells = layers.RNN([layers.LSTMCell(HIDDEN), layers.LSTMCell(HIDDEN)], return_sequences=True)
    parts = [keras.Input((None,)), layers.Embedding(SYMBOLS, EMBEDDING), cells, layers.Dense(SYMBOLS, activation="softmax")]
    model = spread(keras.Sequential(parts))
    model.save(FOLDER / "cells.keras")
    imports("cells.keras", run(model))
    model = stack([HIDDEN], cell=layers.GRU)
    model.save_weights(FOLDER / "gru.weights.h5")
    imports("gru.weights.h5", run(model))
    x = tokens = keras.Input((None,))
    x = layers.Embedding(SYMBOLS, HIDDEN)(x)
    y = layers.LSTM(HIDDEN, return_sequences=True)(x)
    y = layers.Dense(SYMBOLS, activation="softmax")(layers.Add()([x, y]))
    spread(keras.Model(tokens, y)).save(FOLDER / "branches.keras")
    refuses("branches.keras", "expected layers that follow each other in one line")
    stack([HIDDEN], recurrent_activation="hard_sigmoid").save(FOLDER / "hard_sigmoid.h5")
    refuses("hard_sigmoid.h5", 'recurrent_activation "hard_sigmoid", expected "sigmoid"')


def keras_3_gru():
    global RANDOM
    RANDOM = np.random.default_rng(2)
    model = stack([HIDDEN, HIDDEN + 1], cell=layers.GRU)
    model.save(FOLDER / "gru.keras")
    imports("gru.keras", run(model))
    np.savez(FOLDER / "gru_list.npz", *model.get_weights())
    imports("gru_list.npz", run(model))
    model = stack([HIDDEN], cell=layers.GRU, reset_after=False)
    model.save(FOLDER / "gru_before.keras")
    refuses("gru_before.keras", "reset_after false, expected true")
    model.save_weights(FOLDER / "gru_before.weights.h5")
    refuses("gru_before.weights.h5", "one bias, as in a GRU without reset_after")


# Keras 2


def keras_2():
    def old_stack(names, every_step=True, shape=(None, None), cell=None):
        parts = [tf_keras.layers.Embedding(SYMBOLS, HIDDEN, batch_input_shape=shape)]
        parts += [(cell or tf_keras.layers.LSTM)(HIDDEN, return_sequences=every_step, name=name) for name in names]
        parts.append(tf_keras.layers.Dense(SYMBOLS, activation="softmax"))
        return spread(tf_keras.Sequential(parts))

    def run_old(tokens):
        return np.asarray(model(tokens[None]))[0]

    model = old_stack(["main", "auxiliary"])
    model.save(FOLDER / "keras2.h5")
    imports("keras2.h5", run_old(TOKENS))
    model = old_stack(["second", "last"])
    model.save_weights(FOLDER / "keras2_weights.h5")
    imports("keras2_weights.h5", run_old(TOKENS))
    model = old_stack(["lstm"], False, (None, 7))
    model.save(FOLDER / "keras2_window.h5")
    imports("keras2_window.h5", windows(run_old, 7), window=7)
    from tf_keras.src.layers.rnn.cudnn_lstm import CuDNNLSTM

    old_stack(["lstm"], cell=CuDNNLSTM).save_weights(FOLDER / "cudnn.h5")
    refuses("cudnn.h5", "two biases as in a CuDNNLSTM")


# PyTorch


class Network(torch.nn.Module if FRAMEWORK == "torch" else object):
    def __init__(self, names=("lstm",), hidden=HIDDEN, embedding=EMBEDDING, ends=("embedding", "dense"), bias=True, cell=None, **options):
        super().__init__()
        self.ends, self.names = ends, names
        if embedding:
            setattr(self, ends[0], torch.nn.Embedding(SYMBOLS, embedding))
        width = embedding or SYMBOLS
        for name in names:
            setattr(self, name, (cell or torch.nn.LSTM)(width, hidden, batch_first=True, **options))
            width = hidden
        setattr(self, ends[1], torch.nn.Linear(width, SYMBOLS, bias=bias))
        self.is_onehot = not embedding
        for parameter in self.parameters():
            torch.nn.init.uniform_(parameter, -0.9, 0.9)

    def forward(self, tokens):
        x = torch.nn.functional.one_hot(tokens, SYMBOLS).float() if self.is_onehot else getattr(self, self.ends[0])(tokens)
        for name in self.names:
            x = getattr(self, name)(x)[0]
        return getattr(self, self.ends[1])(x)


def run_torch(model):
    with torch.no_grad():
        return model(torch.tensor(TOKENS)[None]).float().softmax(-1)[0].numpy()


def save(model, file):
    safetensors.torch.save_file(model.state_dict(), FOLDER / file)


def pytorch():
    same = {"embedding": HIDDEN}
    model = Network(["rnn", "lstm"], **same)
    torch.save(model.state_dict(), FOLDER / "order.pt")
    imports("order.pt", run_torch(model))
    save(model, "order.safetensors")
    refuses("order.safetensors", "is not in the file, expected --order")
    imports("order.safetensors", run_torch(model), "--order rnn.0,lstm.0")
    imports("order.safetensors", run_torch(model), "--order embedding,rnn.0,lstm.0,dense")
    # A program that reads and writes a state_dict may sort it.
    torch.save(dict(sorted(model.state_dict().items())), FOLDER / "sorted.pt")
    refuses("sorted.pt", "is not in the file, expected --order")
    model = Network(["zwei", "eins"], **same)
    model.zwei = torch.nn.LSTM(HIDDEN, HIDDEN + 1, batch_first=True)
    model.eins = torch.nn.LSTM(HIDDEN + 1, HIDDEN, batch_first=True)
    save(model, "order_by_size.safetensors")
    imports("order_by_size.safetensors", run_torch(model))

    model = Network(embedding=0, num_layers=2)
    torch.save({"n_hidden": HIDDEN, "state_dict": model.state_dict(), "tokens": tuple("abcde")}, FOLDER / "onehot.pt")
    imports("onehot.pt", run_torch(model))
    model = Network(**same)
    model.dense.weight = model.embedding.weight
    safetensors.torch.save_model(model, FOLDER / "tied.safetensors")
    imports("tied.safetensors", run_torch(model))
    model = Network(ends=("encoder", "decoder"), bias=False)
    save(model, "encoder_decoder.safetensors")
    imports("encoder_decoder.safetensors", run_torch(model))
    model = Network(ends=("encoder", "decoder"), bias=False, **same)
    save(model, "which_is_which.safetensors")
    refuses("which_is_which.safetensors", "of which either may be the embedding, expected --order")
    imports("which_is_which.safetensors", run_torch(model), "--order encoder,lstm.0,decoder")

    model = Network()
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.tensor(TOKENS)[None]).sum().backward()
    optimizer.step()
    state = {
        "epoch": 3,
        "optimizer": optimizer.state_dict(),
        "state": {"model": model.state_dict()},
        "numpy": np.random.default_rng(1).bit_generator.state,
        "python": random.getstate(),
        "args": argparse.Namespace(hidden=HIDDEN),
    }
    torch.save(state, FOLDER / "checkpoint.pt")
    imports("checkpoint.pt", run_torch(model))
    other = Network()
    torch.save({"model": model.state_dict(), "ema": other.state_dict()}, FOLDER / "two_networks.pt")
    refuses("two_networks.pt", "under model, ema, expected one: --key KEY")
    imports("two_networks.pt", run_torch(other), "--key ema")
    for protocol in [1, 3, 4, 5]:
        file = f"protocol_{protocol}.pt"
        torch.save(model.state_dict(), FOLDER / file, pickle_protocol=protocol)
        imports(file, run_torch(model))
    torch.save(model.state_dict(), FOLDER / NAME_OF_21)
    imports(NAME_OF_21, run_torch(model))
    averaged = torch.optim.swa_utils.AveragedModel(model)
    averaged.update_parameters(model)
    torch.save(torch.compile(averaged).state_dict(), FOLDER / "averaged.pt")
    imports("averaged.pt", run_torch(model))
    model.criterion = torch.nn.CrossEntropyLoss(weight=torch.rand(SYMBOLS))
    torch.save(model.state_dict(), FOLDER / "criterion.pt")
    refuses("criterion.pt", "criterion.weight")
    imports("criterion.pt", run_torch(model), "--ignore criterion")
    refuses("criterion.pt", "found no tensor loss to ignore", "--ignore loss")
    torch.save(dict(Network().to(torch.bfloat16).named_parameters()), FOLDER / "bfloat16.pt")
    model = Network()
    model.load_state_dict(torch.load(FOLDER / "bfloat16.pt"))
    imports("bfloat16.pt", run_torch(model))
    quantized = torch.ao.quantization.quantize_dynamic(Network(), {torch.nn.LSTM, torch.nn.Linear}, dtype=torch.qint8)
    torch.save(quantized.state_dict(), FOLDER / "quantized.pt")
    refuses("quantized.pt", "as in a quantized network")
    torch.save(Network(), FOLDER / "whole.pt")
    refuses("whole.pt", "found a pickle of an object of class Network")
    torch.jit.trace(Network(), torch.tensor(TOKENS)[None]).save(FOLDER / "script.pt")
    refuses("script.pt", "found a TorchScript program")
    torch.save(Network().state_dict(), FOLDER / "before_1_6.pt", _use_new_zipfile_serialization=False)
    refuses("before_1_6.pt", "PyTorch before 1.6")
    model = Network()
    model.norm = torch.nn.LayerNorm(HIDDEN)
    save(model, "norm.safetensors")
    refuses("norm.safetensors", "found tensor norm")
    torch.manual_seed(2)
    model = Network(cell=torch.nn.GRU, num_layers=2)
    save(model, "gru.safetensors")
    imports("gru.safetensors", run_torch(model))
    model = Network(["rnn"], cell=torch.nn.GRU)
    torch.save(model.state_dict(), FOLDER / "gru.pt")
    imports("gru.pt", run_torch(model))


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    np.random.seed(1)
    random.seed(1)
    if FRAMEWORK == "keras":
        keras.utils.set_random_seed(1)
        keras_3()
        keras_2()
        keras_3_gru()
    else:
        torch.manual_seed(1)
        pytorch()
    rows = ",\n".join(json.dumps(case) for case in CASES)
    (FOLDER / f"{FRAMEWORK}.json").write_text(f"[\n{rows}\n]\n")
