"""Small networks of values with random weights, saved and exported by real Keras 2 and 3 and PyTorch, and what `import`
must make of each.

Needs: pip install torch keras tf_keras tensorflow-cpu tf2onnx onnx onnxscript h5py numpy safetensors. The committed
files come from

    python3 tests/golden/make_sensor_golden.py keras tests/golden/sensors
    python3 tests/golden/make_sensor_golden.py torch tests/golden/sensors

with Keras 3.15.1, tf_keras 2.21.0, TensorFlow 2.21.0, tf2onnx 1.17.0 and PyTorch 2.15.0. `keras.json` and `torch.json`
hold for each file the arguments of `import` with either the file of the framework's inputs `x` and outputs `y`, and what
these are, or what a refusal must say.
"""

import json
import os
import pathlib
import sys

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np

FRAMEWORK, FOLDER = sys.argv[1], pathlib.Path(sys.argv[2])
RANDOM = np.random.default_rng(1)
CASES = []


def imports(file, io, answer, arguments="", window=0):
    CASES.append({"file": file, "arguments": arguments, "io": io, "answer": answer, "window": window})


def refuses(file, says, arguments=""):
    CASES.append({"file": file, "arguments": arguments, "refusal": says})


def at(name):
    return str(FOLDER / name)


def spread(weight):
    """Weights that are large enough to tell networks apart; variances are positive."""
    values = RANDOM.uniform(-0.9, 0.9, weight.shape)
    return (abs(values) + 0.2 if "variance" in weight.name else values).astype("f4")


def keras_model(module, *layers):
    model = module.Sequential([module.Input(layers[0]), *layers[1:]])
    model(np.zeros((1, layers[0][0] or 5, layers[0][1]), "f4"))
    for weight in model.weights:
        if "count" not in weight.name and "seed" not in weight.name:
            weight.assign(spread(weight))
    for layer in model.layers:
        if hasattr(layer, "finalize_state"):
            layer.finalize_state()
    return model


def answers(name, model, length, channels):
    x = RANDOM.normal(size=(3, length, channels)).astype("f4")
    np.savez(at(name), x=x, y=model.predict(x, verbose=0))


def keras_cases():
    import keras
    import tf_keras

    L = keras.layers
    mixed = keras_model(
        keras, (12, 3), L.Normalization(), L.GRU(5, return_sequences=True), L.Dropout(0.2), L.LSTM(4),
        L.Dense(6, activation="tanh"), L.Dense(3, activation="softmax"),
    )
    answers("mixed.npz", mixed, 12, 3)
    mixed.save(at("mixed.h5"))
    mixed.save_weights(at("mixed.weights.h5"))
    np.savez(at("mixed_list.npz"), *mixed.get_weights())
    imports("mixed.h5", "mixed.npz", "probabilities", "--classes sit,stand,walk", window=12)
    for file in ["mixed.weights.h5", "mixed_list.npz"]:
        imports(file, "mixed.npz", "probabilities", "--classes 3 --activation tanh")
        refuses(file, "expected --classes A,B,.. (or --classes 3) or --values NAME,..", "--input values")

    binary = keras_model(keras, (7, 2), L.LSTM(4, use_bias=False), L.Dense(1, activation="sigmoid"))
    answers("binary.npz", binary, 7, 2)
    binary.save(at("binary.keras"))
    imports("binary.keras", "binary.npz", "probability of the second", "--classes no,yes", window=7)
    refuses("binary.keras", "found a,b,c in --classes, expected 2 labels", "--classes a,b,c")

    every = keras_model(
        keras, (None, 2), L.GRU(4, return_sequences=True, reset_after=False),
        L.TimeDistributed(L.Dense(3, activation="relu")), L.Dense(2, activation="tanh"),
    )
    answers("every.npz", every, 9, 2)
    every.save(at("every.keras"))
    imports("every.keras", "every.npz", "values", "--values x,y")

    T = tf_keras.layers
    old = keras_model(
        tf_keras, (9, 2), T.Normalization(mean=[1.0, 2.0], variance=[4.0, 0.25]),
        T.GRU(4, return_sequences=True), T.GRU(3), T.Dense(2),
    )
    answers("keras2.npz", old, 9, 2)
    old.save(at("keras2.h5"))
    imports("keras2.h5", "keras2.npz", "values", "--channels left,right", window=9)

    cells = keras_model(keras, (9, 2), L.RNN([L.LSTMCell(4), L.LSTMCell(3)]), L.Dense(2))
    answers("stacked.npz", cells, 9, 2)
    cells.save(at("stacked.keras"))
    imports("stacked.keras", "stacked.npz", "values", window=9)

    window = keras_model(keras, (9, 2), L.GRU(4, go_backwards=True, return_sequences=True), L.LSTM(3), L.Dense(2))
    answers("backwards.npz", window, 9, 2)
    window.save(at("backwards.keras"))
    imports("backwards.keras", "backwards.npz", "values", window=9)

    for name, says, layers in [
        ("bidirectional", "has direction bidirectional, expected forward", [L.Bidirectional(L.LSTM(2))]),
        ("simple", "(Loop) has a body that computes something else, expected a loop that is", [L.SimpleRNN(2)]),
        # Without a layer: the operators of each step follow each other.
        ("unrolled", "/unstack (Split), expected an embedding or a normalization, LSTMs or GRUs, dense layers",
         [L.GRU(2, unroll=True)]),
        ("distributed", "(Slice) takes a part of what it reads, expected all of it or the last step of a layer",
         [L.LSTM(2, return_sequences=True), L.TimeDistributed(L.Dense(3))]),
    ]:
        model = keras_model(keras, (5, 2), *layers, L.Dense(2))
        model.export(at(f"{name}.onnx"), format="onnx", verbose=False)
        refuses(f"{name}.onnx", says)

    each = keras_model(
        keras, (None, 2), L.LSTM(3, return_sequences=True), L.Dense(4, activation="relu"), L.Dense(2),
    )
    answers("each_step.npz", each, 9, 2)
    each.export(at("each_step.onnx"), format="onnx", verbose=False)
    imports("each_step.onnx", "each_step.npz", "values")


def torch_cases():
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(1)

    class Network(torch.nn.Module):
        def __init__(self, kind, layers=1, hidden=(), outputs=3, **settings):
            super().__init__()
            self.rnn = getattr(torch.nn, kind)(3, 5, layers, batch_first=True, **settings)
            width, head = settings.get("proj_size") or 5, []
            for units in hidden:
                head += [torch.nn.Linear(width, units), torch.nn.Tanh(), torch.nn.Dropout(0.1)]
                width = units
            self.head = torch.nn.Sequential(*head, torch.nn.Linear(width, outputs))
            for parameter in self.parameters():
                torch.nn.init.uniform_(parameter, -0.9, 0.9)
            self.eval()

        def forward(self, x):
            _, state = self.rnn(x)
            return self.head(state[-1] if torch.is_tensor(state) else state[0][-1])

    class Normalized(Network):
        def forward(self, x):
            x = (x - torch.tensor([1.0, 2.0, 3.0])) / torch.tensor([2.0, 0.5, 1.5])
            return self.head(torch.relu(self.rnn(x)[0][:, -1]))

    class Flipped(Network):
        def forward(self, x):
            return self.head(self.rnn(torch.flip(x, [1]))[0][:, -1])

    def answers(name, network):
        x = torch.tensor(RANDOM.normal(size=(3, 8, 3)).astype("f4"))
        np.savez(at(name), x=x.numpy(), y=network(x).detach().numpy())
        return x

    def export(name, network, x, **settings):
        torch.onnx.export(network, (x,), at(name), input_names=["x"], verbose=False, **settings)

    deep = Network("GRU", layers=2, hidden=(7, 6))
    x = answers("deep.npz", deep)
    torch.save(deep.state_dict(), at("deep.pt"))
    lengths = {name: torch.export.Dim(name, min=2, max=99) for name in ["batch", "time"]}
    export("deep.onnx", deep, x, dynamo=True, external_data=False,
           dynamic_shapes=({0: lengths["batch"], 1: lengths["time"]},))
    export("deep_opset11.onnx", deep, x[:1], dynamo=False, opset_version=11)
    imports("deep.pt", "deep.npz", "logits", "--classes a,b,c --activation tanh,tanh")
    refuses("deep.pt", "found 3 activations in --activation, expected 2", "--classes 3 --activation relu,relu,relu")
    imports("deep.onnx", "deep.npz", "logits", "--classes 3")
    imports("deep_opset11.onnx", "deep.npz", "logits", "--classes 3", window=8)
    refuses("deep.onnx", "expected no --activation", "--classes 3 --activation relu")
    refuses("deep.onnx", "expected no --order and no --ignore", "--classes 3 --order a")

    projected = Network("LSTM", proj_size=2)
    answers("projected.npz", projected)
    save_file(projected.state_dict(), at("projected.safetensors"))
    imports("projected.safetensors", "projected.npz", "logits", "--classes 3 --window 8", window=8)

    normalized = Normalized("GRU")
    x = answers("normalized.npz", normalized)
    export("normalized.onnx", normalized, x[:1], dynamo=True, external_data=False)
    imports("normalized.onnx", "normalized.npz", "values", "--values x,y,z", window=8)
    # As torch.onnx.export does it when it is not told: the numbers in a file beside it.
    export("beside.onnx", normalized, x[:1], dynamo=True, external_data=True)
    imports("beside.onnx", "normalized.npz", "values", "--values x,y,z", window=8)

    export("flipped.onnx", Flipped("GRU"), x[:1], dynamo=True, external_data=False)
    refuses("flipped.onnx", "turns the steps around", "--values x,y,z")
    network = Network("GRU", bidirectional=True)
    torch.save(network.state_dict(), at("bidirectional.pt"))
    refuses("bidirectional.pt", "of a bidirectional layer", "--values x,y,z")


{"keras": keras_cases, "torch": torch_cases}[FRAMEWORK]()
with open(at(f"{FRAMEWORK}.json"), "w") as file:
    json.dump(CASES, file, indent=1)
