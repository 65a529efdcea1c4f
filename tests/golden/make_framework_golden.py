"""Networks saved by real Keras and real PyTorch, with the probabilities that they give.

Needs: pip install torch keras numpy safetensors. The committed files come from

    python3 tests/golden/make_framework_golden.py make small tests/golden/frameworks

`make` writes keras.weights.h5, keras.keras, keras.npz (weights by path), keras-list.npz (get_weights),
torch.pt, torch.safetensors, and the probabilities of each framework as f32, [1000, V].
`check` reads keras.npz and torch.safetensors that were exported from those of another folder, loads
them into the frameworks and prints the largest difference of a probability.
"""

import os
import pathlib
import sys

os.environ["KERAS_BACKEND"] = "torch"
import keras
import numpy as np
import safetensors.torch
import torch

# Symbols, embedding, hidden, layers, whether the last layer gives its last step only, projection.
SHAPES = {
    "small": (7, 5, 9, 2, False, None),
    "many-to-one": (27, 64, 64, 1, True, None),
    "many-to-many": (27, 64, 256, 1, False, None),
    "projected": (27, 16, 48, 2, False, 20),
}
CHARACTERS = 1000


def tokens(vocabulary):
    return np.array([(i * i + i // 7) % vocabulary for i in range(CHARACTERS)])


def scale(shape, inputs):
    """As large as trained weights, biases too. Larger ones would make a chaos of rounding errors."""
    return 0.4 if len(shape) == 1 else shape[inputs] ** -0.5


def keras_model(shape, every_step):
    vocabulary, embedding, hidden, layers, last_only, _ = shape
    model = keras.Sequential([keras.Input((None,)), keras.layers.Embedding(vocabulary, embedding)])
    for layer in range(layers):
        sequences = every_step or not last_only or layer + 1 < layers
        model.add(keras.layers.LSTM(hidden, return_sequences=sequences))
    model.add(keras.layers.Dense(vocabulary, activation="softmax"))
    return model


def keras_probabilities(shape, weights):
    model = keras_model(shape, every_step=True)
    model.set_weights(weights)
    return np.asarray(model.predict(tokens(shape[0])[None], verbose=0))[0]


class TorchModel(torch.nn.Module):
    def __init__(self, shape):
        super().__init__()
        vocabulary, embedding, hidden, layers, _, projection = shape
        self.embedding = torch.nn.Embedding(vocabulary, embedding)
        self.lstm = torch.nn.LSTM(embedding, hidden, layers, batch_first=True, proj_size=projection or 0)
        self.dense = torch.nn.Linear(projection or hidden, vocabulary)

    def forward(self, text):
        return self.dense(self.lstm(self.embedding(text))[0])


def torch_probabilities(shape, state):
    model = TorchModel(shape)
    model.load_state_dict(state)
    with torch.no_grad():
        return model(torch.tensor(tokens(shape[0]))[None]).softmax(-1)[0].numpy()


def make(shape, folder):
    folder.mkdir(parents=True, exist_ok=True)
    if shape[5] is None:
        keras.utils.set_random_seed(1)
        random = np.random.default_rng(1)
        model = keras_model(shape, every_step=False)
        weights = [random.normal(0, scale(w.shape, 0), w.shape) for w in model.get_weights()]
        model.set_weights([w.astype("float32") for w in weights])
        model.save_weights(folder / "keras.weights.h5")
        model.save(folder / "keras.keras")
        np.savez(folder / "keras.npz", **{w.path: np.asarray(w) for w in model.weights})
        np.savez_compressed(folder / "keras-list.npz", *model.get_weights())
        keras_probabilities(shape, model.get_weights()).astype("<f4").tofile(folder / "keras.f32")
    torch.manual_seed(2)
    model = TorchModel(shape)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, 0, scale(parameter.shape, 1))
    torch.save(model.state_dict(), folder / "torch.pt")
    safetensors.torch.save_file(model.state_dict(), folder / "torch.safetensors")
    torch_probabilities(shape, model.state_dict()).astype("<f4").tofile(folder / "torch.f32")


def check(shape, folder, expected):
    def report(name, found):
        reference = np.fromfile(expected / f"{name}.f32", "<f4").reshape(found.shape)
        print(name, np.abs(found - reference).max())

    if shape[5] is None:
        with np.load(folder / "keras.npz") as file:
            report("keras", keras_probabilities(shape, [file[name] for name in file.files]))
    state = safetensors.torch.load_file(folder / "torch.safetensors")
    report("torch", torch_probabilities(shape, state))


if __name__ == "__main__":
    command, name, *folders = sys.argv[1:]
    {"make": make, "check": check}[command](SHAPES[name], *map(pathlib.Path, folders))
