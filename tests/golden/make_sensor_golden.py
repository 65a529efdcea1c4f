"""Small networks of values with random weights, saved and exported by real Keras 2 and 3 and PyTorch, and what `import`
must make of each.

Needs: pip install torch keras tf_keras tensorflow-cpu tf2onnx onnx onnxscript h5py numpy safetensors. The committed
files come from

    python3 tests/golden/make_sensor_golden.py keras tests/golden/sensors
    python3 tests/golden/make_sensor_golden.py torch tests/golden/sensors
    python3 tests/golden/make_sensor_golden.py keras_variants tests/golden/sensors
    python3 tests/golden/make_sensor_golden.py torch_variants tests/golden/sensors

with Keras 3.15.1, tf_keras 2.21.0, TensorFlow 2.21.0, tf2onnx 1.17.0 and PyTorch 2.15.0. The lists of
the same names (`.json`) hold for each file the arguments of `import` with either the file of the framework's inputs `x`
and outputs `y`, and what these are, or what a refusal must say.
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


def without_traces(name):
    """The exporter notes for each node the lines of Python that it came from."""
    import onnx

    model = onnx.load(at(name), load_external_data=False)
    parts = [model, model.graph, *model.graph.node, *model.graph.initializer, *model.graph.value_info]
    for part in [*parts, *model.graph.input, *model.graph.output]:
        del part.metadata_props[:]
        part.doc_string = ""
    pathlib.Path(at(name)).write_bytes(model.SerializeToString())


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
        without_traces(name)

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


def keras_variants():
    import keras

    L = keras.layers

    def functional(name, shape, layers):
        given = keras.Input(shape)
        model = keras.Model(given, layers(given))
        for weight in model.weights:
            weight.assign(spread(weight))
        x = RANDOM.normal(size=(3, *shape)).astype("f4")
        model(x)
        return model, x

    def states(given):
        _, hidden, cell = L.LSTM(4, return_sequences=True, return_state=True)(given)
        return [L.Dense(2)(hidden), cell]

    model, x = functional("states", (7, 3), states)
    np.savez(at("states.npz"), x=x, y=model.predict(x, verbose=0)[0])
    for end in ["keras", "h5"]:
        model.save(at(f"states.{end}"))
        imports(f"states.{end}", "states.npz", "values", "--values a,b", window=7)
    model.export(at("states.onnx"), format="onnx", verbose=False)
    imports("states.onnx", "states.npz", "values", "--values a,b", window=7)

    model, _ = functional("cell", (7, 3), lambda x: L.Dense(2)(L.LSTM(4, return_state=True)(x)[2]))
    model.save(at("cell_state.keras"))
    refuses("cell_state.keras", "the cell state of layer lstm_1 (LSTM) is read, expected its output or its hidden state")

    batch = keras_model(
        keras, (6, 3), L.Rescaling(0.5), L.BatchNormalization(), L.Dense(2), L.LSTM(4, return_sequences=True),
        L.BatchNormalization(center=False), L.GRU(3), L.BatchNormalization(scale=False), L.Dense(4, activation="relu"),
        L.BatchNormalization(), L.Dense(2),
    )
    answers("batch.npz", batch, 6, 3)
    batch.save(at("batch.keras"))
    batch.export(at("batch.onnx"), format="onnx", verbose=False)
    imports("batch.keras", "batch.npz", "values", window=6)
    imports("batch.onnx", "batch.npz", "values", window=6)
    batch.save_weights(at("batch.weights.h5"))
    refuses("batch.weights.h5", "found layer layers/rescaling, which has no weights", "--values a,b")

    turned, x = functional("turned", (3, 6), lambda x: L.Dense(2)(L.LSTM(4)(L.Permute((2, 1))(x))))
    np.savez(at("turned.npz"), x=x.swapaxes(1, 2), y=turned.predict(x, verbose=0))
    turned.save(at("turned.keras"))
    imports("turned.keras", "turned.npz", "values", window=6)

    dense = keras_model(keras, (6, 3), L.Dense(2, activation="relu"), L.LSTM(4), L.Dense(2))
    dense.save(at("dense_before.keras"))
    refuses("dense_before.keras", "reads what an activation behind layer dense")

    def characters(name, first):
        model = keras.Sequential([keras.Input((5,)), first, L.GRU(3, return_sequences=True), L.Dense(27)])
        for weight in model.weights:
            weight.assign(spread(weight))
        x = RANDOM.integers(0, 27, (2, 5)).astype("f4")
        np.savez(at(f"{name}.npz"), x=x, y=model.predict(x, verbose=0))
        for end in ["keras", "onnx"]:
            model.save(at(f"{name}.keras")) if end == "keras" else model.export(
                at(f"{name}.onnx"), format="onnx", verbose=False
            )
            imports(f"{name}.{end}", f"{name}.npz", "text")

    characters("embedded", L.Embedding(27, 2))
    characters("encoded", L.CategoryEncoding(27, output_mode="one_hot"))

    model, x = functional("masked", (6, 3), lambda x: L.Dense(2)(L.LSTM(4)(L.Masking(9.0)(x))))
    np.savez(at("masked.npz"), x=x, y=model.predict(x, verbose=0))
    model.save(at("masked.keras"))
    imports("masked.keras", "masked.npz", "values", window=6)

    model, x = functional(
        "sliced", (6, 3), lambda x: L.Dense(2)(L.LSTM(4, return_sequences=True)(x)[:, -1, :])
    )
    np.savez(at("sliced.npz"), x=x, y=model.predict(x, verbose=0))
    model.save(at("sliced.keras"))
    imports("sliced.keras", "sliced.npz", "values", window=6)
    model, _ = functional("middle", (6, 3), lambda x: L.Dense(2)(L.LSTM(4, return_sequences=True)(x)[:, 2]))
    model.save(at("middle.keras"))
    refuses("middle.keras", "found a layer GetItem (get_item_1)")

    anew = keras_model(keras, (4, 6), L.Reshape((4, 3, 2)), L.TimeDistributed(L.LSTM(2)), L.LSTM(2), L.Dense(2))
    anew.save(at("anew.keras"))
    refuses("anew.keras", "(TimeDistributed) runs a recurrent layer anew at each step")


def torch_variants():
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(2)

    class Network(torch.nn.Module):
        def __init__(self, forward, **layers):
            super().__init__()
            for name, layer in layers.items():
                setattr(self, name, layer)
            self.run = forward
            for parameter in self.parameters():
                torch.nn.init.uniform_(parameter, -0.9, 0.9)
            for name, buffer in self.named_buffers():
                if "running" in name:
                    buffer.uniform_(0.3, 1.5)
            self.eval()

        def forward(self, *x):
            return self.run(self, *x)

    def export(name, network, x, dynamo):
        settings = {"external_data": False} if dynamo else {}
        torch.onnx.export(network, x, at(name), input_names=["x"], verbose=False, dynamo=dynamo, **settings)
        without_traces(name)

    def both(name, network, x, answer, arguments="", window=0, turn=False):
        y = network(x).detach().numpy()
        x_here = x.float().numpy()
        np.savez(at(f"{name}.npz"), x=x_here.swapaxes(1, 2) if turn else x_here, y=y)
        for dynamo, end in [(True, "dynamo"), (False, "ts")]:
            export(f"{name}.{end}.onnx", network, (x[:1],), dynamo)
            imports(f"{name}.{end}.onnx", f"{name}.npz", answer, arguments, window)

    nn = torch.nn
    series = lambda *shape: torch.tensor(RANDOM.normal(size=shape).astype("f4"))
    channels = Network(
        lambda self, x: self.out(self.norm(self.rnn(x.transpose(1, 2))[0][:, -1])),
        rnn=nn.GRU(3, 4, batch_first=True), norm=nn.BatchNorm1d(4), out=nn.Linear(4, 2),
    )
    both("channels_first", channels, series(2, 3, 6), "values", "--values a,b", window=6, turn=True)

    one = Network(
        lambda self, x: self.out(self.rnn(x.unsqueeze(-1))[0][:, -1]),
        rnn=nn.LSTM(1, 3, batch_first=True), out=nn.Linear(3, 2),
    )
    both("one_channel", one, series(2, 6), "values", "--values a,b", window=6)

    front = Network(
        lambda self, x: 1 - self.out(self.b(self.between(self.a(self.front(x))[0]))[0]),
        front=nn.Linear(3, 2), a=nn.LSTM(2, 4, batch_first=True), between=nn.Linear(4, 4),
        b=nn.GRU(4, 4, batch_first=True), out=nn.Linear(4, 2),
    )
    both("front", front, series(2, 6, 3), "values", "--values a,b")
    save_file(front.state_dict(), at("front.safetensors"))
    refuses("front.safetensors", "found dense layer between, which fits before layer b.0", "--values a,b")

    one_hot = Network(
        lambda self, x: self.out(self.rnn(nn.functional.one_hot(x, 27).float())[0]),
        rnn=nn.GRU(27, 3, batch_first=True), out=nn.Linear(3, 27),
    )
    both("one_hot", one_hot, torch.tensor(RANDOM.integers(0, 27, (1, 5))), "text")

    state = Network(
        lambda self, h, x: self.rnn(x, h), rnn=nn.GRU(3, 4, batch_first=True),
    )
    state.run = lambda self, h, x: (lambda y, h: (self.out(y), h))(*self.rnn(x, h))
    state.out = nn.Linear(4, 2)
    x, h = series(1, 6, 3), torch.zeros(1, 1, 4)
    np.savez(at("state_first.npz"), x=x.numpy(), y=state(h, x)[0].detach().numpy())
    export("state_first.onnx", state, (h, x), False)
    imports("state_first.onnx", "state_first.npz", "values", "--values a,b")

    middle = Network(
        lambda self, x: (lambda y: (y, self.last(y)))(self.out(self.rnn(x)[0][:, -1])),
        rnn=nn.GRU(3, 4, batch_first=True), out=nn.Linear(4, 3), last=nn.Linear(3, 2),
    )
    x = series(1, 6, 3)
    np.savez(at("middle.npz"), x=x.numpy(), y=middle(x)[1].detach().numpy())
    export("middle.onnx", middle, (x,), False)
    imports("middle.onnx", "middle.npz", "values", "--values a,b", window=6)

    rnn = lambda **more: {"rnn": nn.LSTM(3, 4, batch_first=True), "out": nn.Linear(4, 2), **more}
    for name, says, forward in [
        ("softmax_of_steps", "(Softmax) is over another axis than that of the numbers",
         lambda self, x: torch.softmax(self.out(self.rnn(x)[0]).permute(0, 2, 1), -1)),
        ("whole", "(Cast) makes whole numbers of what it reads",
         lambda self, x: self.out(self.rnn((3 * x).int().float())[0])),
        # To take the negative ones out is no way to read characters.
        ("no_negative", "reads the numbers of characters, expected an embedding",
         lambda self, x: self.out(self.rnn(torch.where(x < 0, torch.zeros(()), x))[0])),
        ("cell_state", "reads the cell state of node /rnn/LSTM (LSTM), expected its output",
         lambda self, x: self.out(self.rnn(x)[1][1][-1])),
    ]:
        export(f"{name}.onnx", Network(forward, **rnn()), (series(1, 6, 3),), False)
        refuses(f"{name}.onnx", says, "--values a,b")


{
    "keras": keras_cases,
    "torch": torch_cases,
    "keras_variants": keras_variants,
    "torch_variants": torch_variants,
}[FRAMEWORK]()
with open(at(f"{FRAMEWORK}.json"), "w") as file:
    json.dump(CASES, file, indent=1)
