//! Small random networks of version 3 of the file.

use lstm_core::export::{
    DenseLayers, Layers, SENSOR_COLUMN_ALIGN, SensorDescription, encode_sensor_file,
};
use lstm_core::{Activation, CellKind, DenseShape, Format, Input, LayerShape, Order, OutputHead};

use super::{F32Plain, Int8Plain, Net, Plan, Random, array, times};

/// What a network gives.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Head {
    Symbols,
    Classes,
    Values,
}

/// A network that may read values, and may give classes or values.
#[derive(Clone)]
pub struct SensorNet<T, M> {
    pub net: Net<T, M>,
    pub head: Head,
    pub window: Option<u16>,
    pub backwards: bool,
    /// The means and the scales of the channels.
    pub channel_scaling: [Vec<f32>; 2],
    /// The offsets and the scales of the values that are given.
    pub value_scaling: [Vec<f32>; 2],
}

pub type Int8SensorNet = SensorNet<i8, Int8Plain>;
pub type F32SensorNet = SensorNet<f32, F32Plain>;

const CELLS: [CellKind; 4] = [
    CellKind::Lstm,
    CellKind::Cifg,
    CellKind::Gru,
    CellKind::GruResetBefore,
];

const ACTIVATIONS: [Activation; 4] = [
    Activation::Linear,
    Activation::Relu,
    Activation::Tanh,
    Activation::Sigmoid,
];

/// The shapes and the head number `seed`: values are read by most, each cell, each number of layers and of dense
/// layers and each head comes soon.
pub fn plan(seed: u64) -> (Plan, Head) {
    let mut random = Random::new(1000 + seed);
    let reads_values = seed % 4 != 3;
    let head = match (seed % 3, reads_values) {
        (0, _) => Head::Classes,
        (1, false) => Head::Symbols,
        _ => Head::Values,
    };
    let most = times(40, 6) as u32;
    let shape = |random: &mut Random, l: u64| {
        let hidden = 1 + random.below(most) as u16;
        let cell = CELLS[((seed + l) % 4) as usize];
        match cell != CellKind::GruResetBefore && random.below(4) == 0 {
            true => LayerShape::new(cell, hidden).project(1 + random.below(hidden.into()) as u16),
            false => LayerShape::new(cell, hidden),
        }
    };
    let shapes = (0..1 + seed / 4 % 4)
        .map(|l| shape(&mut random, l))
        .collect();
    let dense = (0..seed / 2 % 4).map(|l| {
        let activation = ACTIVATIONS[((seed / 3 + l) % 4) as usize];
        DenseShape::new(1 + random.below(most) as u16, activation)
    });
    let dense = dense.collect();
    let vocab = match reads_values {
        true => 0,
        false => 2 + random.below(20) as usize,
    };
    let plan = Plan {
        vocab,
        channels: match reads_values {
            true => 1 + random.below(12) as usize,
            false => 0,
        },
        shapes,
        dense,
        outputs: match head {
            Head::Symbols => vocab,
            Head::Classes => 2 + random.below(9) as usize,
            Head::Values => 1 + random.below(6) as usize,
        },
    };
    (plan, head)
}

impl<T, M> SensorNet<T, M> {
    fn of(net: Net<T, M>, head: Head, outputs: usize, seed: u64) -> Self {
        let mut random = Random::new(2000 + seed);
        let channels = net.channels;
        let mut numbers = |count: usize, size: f32| -> Vec<f32> {
            (0..count).map(|_| size * random.real()).collect()
        };
        let values = match head {
            Head::Values => outputs,
            _ => 0,
        };
        let is_integer = net.format != Format::F32;
        SensorNet {
            channel_scaling: [
                numbers(channels, 1.0),
                numbers(channels, if is_integer { 60.0 } else { 2.0 }),
            ],
            value_scaling: [numbers(values, 10.0), numbers(values, 5.0)],
            window: None,
            backwards: false,
            net,
            head,
        }
    }

    /// The file with these data between the scalings.
    fn encode(&self, arrays: Vec<u8>, outputs: usize) -> Vec<u8> {
        let mut data = Vec::new();
        let floats = |data: &mut Vec<u8>, values: &Vec<f32>| {
            let bytes = values.iter().flat_map(|value| value.to_le_bytes());
            array(data, bytes.collect());
        };
        for values in &self.channel_scaling {
            floats(&mut data, values);
        }
        data.extend(arrays);
        for values in &self.value_scaling {
            floats(&mut data, values);
        }
        let names = names(outputs);
        let channels = vec!["channel"; self.net.channels].join("\n");
        let units: Vec<_> = self.net.units.iter().map(|(shape, _)| *shape).collect();
        let description = SensorDescription {
            name: "test",
            input: match self.net.channels {
                0 => Input::Symbols {
                    symbols: &self.net.symbols,
                    fold_case: false,
                },
                count => Input::Values {
                    channels: &channels,
                    count: count as u16,
                },
            },
            window: self.window,
            backwards: self.backwards,
            format: self.net.format,
            order: Order::of(self.net.format, self.net.dead_zone),
            layers: Layers::new(&self.net.shapes).unwrap(),
            dense: DenseLayers::new(&units).unwrap(),
            head: match self.head {
                Head::Symbols => OutputHead::Symbols,
                Head::Classes => OutputHead::Classes { labels: &names },
                Head::Values => OutputHead::Values { names: &names },
            },
            padding: &[],
            data: &data,
        };
        encode_sensor_file(&description, None).unwrap()
    }
}

/// So many names, each on a line.
pub fn names(count: usize) -> String {
    let names: Vec<_> = (0..count).map(|i| format!("name {i}")).collect();
    names.join("\n")
}

impl Int8SensorNet {
    pub fn random(format: Format, seed: u64) -> Self {
        let (plan, head) = plan(seed);
        Self::random_plan(format, &plan, head, seed)
    }

    pub fn random_plan(format: Format, plan: &Plan, head: Head, seed: u64) -> Self {
        let net = Net::<i8, _>::random_plan(format, plan, seed);
        Self::of(net, head, plan.outputs, seed)
    }

    pub fn file(&self) -> Vec<u8> {
        self.encode(
            self.net.padded_payload_bytes(SENSOR_COLUMN_ALIGN),
            self.net.dense.rows.len(),
        )
    }
}

impl F32SensorNet {
    pub fn random(seed: u64) -> Self {
        let (plan, head) = plan(seed);
        Self::random_plan(&plan, head, seed)
    }

    pub fn random_plan(plan: &Plan, head: Head, seed: u64) -> Self {
        let mut net = Net::<f32, _>::random_plan(plan, seed);
        // As small as in a trained network.
        for matrix in net.matrices_mut() {
            matrix.weights.iter_mut().flatten().for_each(|w| *w *= 0.25);
        }
        Self::of(net, head, plan.outputs, seed)
    }

    pub fn file(&self) -> Vec<u8> {
        self.encode(
            self.net.padded_payload_bytes(SENSOR_COLUMN_ALIGN),
            self.net.dense.rows.len(),
        )
    }
}

/// A value of each channel a step, now and then one that is no number or infinite.
pub fn steps(count: usize, channels: usize, seed: u64) -> Vec<Vec<f32>> {
    let mut random = Random::new(3000 + seed);
    let value = |random: &mut Random| match random.below(50) {
        0 => f32::NAN,
        1 => f32::INFINITY,
        2 => f32::NEG_INFINITY,
        _ => 4.0 * random.real(),
    };
    (0..count)
        .map(|_| (0..channels).map(|_| value(&mut random)).collect())
        .collect()
}
