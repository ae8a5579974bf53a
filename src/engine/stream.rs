//! Indexed random numbers: point `i` of a kind of draw has a ChaCha8 stream of its own.
//!
//! [`Stream`] is one point's; [`BlockStream`] computes the streams of neighbouring points side by side
//! in vector registers, and gives the same bits.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::eval::bulk::level::{Kernel, Level, Vector, Words};
use crate::eval::bulk::{LANES, Lane};

/// The generator of a purpose.
fn generator(seed: u64, purpose: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed ^ purpose.wrapping_mul(0x9E37_79B9_7F4A_7C15))
}

/// The stream of one point: uniform and normal numbers.
pub(crate) struct Stream(ChaCha8Rng);

impl Stream {
    pub(crate) fn new(seed: u64, purpose: u64, index: u64) -> Stream {
        let mut rng = generator(seed, purpose);
        rng.set_stream(index);
        Stream(rng)
    }

    /// Uniform in [0, 1), 53 bits.
    pub(crate) fn uniform(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Uniform in 0..count.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        ((u128::from(self.0.next_u64()) * count as u128) >> 64) as usize
    }

    /// Standard normal (Box, Muller 1958).
    pub(crate) fn normal(&mut self) -> f64 {
        let radius = libm::sqrt(-2.0 * libm::log(1.0 - self.uniform()));
        radius * libm::cos(std::f64::consts::TAU * self.uniform())
    }

    /// A uniform direction: a unit vector.
    pub(crate) fn direction(&mut self, dimension: usize) -> Vec<f64> {
        self.unit(dimension, Stream::normal)
    }

    /// The direction of a uniform point of the cube: a unit vector, at a fifth of the cost of a uniform one.
    pub(crate) fn scattered(&mut self, dimension: usize) -> Vec<f64> {
        self.unit(dimension, |stream| 2.0 * stream.uniform() - 1.0)
    }

    /// A vector of such numbers, scaled to length 1.
    fn unit(&mut self, dimension: usize, mut number: impl FnMut(&mut Stream) -> f64) -> Vec<f64> {
        loop {
            let numbers: Vec<f64> = (0..dimension).map(|_| number(self)).collect();
            let length = libm::sqrt(numbers.iter().map(|x| x * x).sum());
            if length > 0.0 {
                return numbers.iter().map(|x| x / length).collect();
            }
        }
    }
}

/// Words of a block of ChaCha (Bernstein 2008).
const WORDS: usize = 16;
/// Numbers of such a block.
const NUMBERS: usize = WORDS / 2;
/// Blocks that are computed at once.
const WIDTH: usize = 2 * LANES;
/// One word of that many blocks.
type Word = [u32; WIDTH];

/// The streams of neighbouring points.
#[derive(Clone)]
pub(crate) struct BlockStream {
    key: [u32; 8],
}

impl BlockStream {
    pub(crate) fn new(seed: u64, purpose: u64) -> BlockStream {
        let key = generator(seed, purpose).get_seed();
        BlockStream {
            key: std::array::from_fn(|word| {
                u32::from_le_bytes(std::array::from_fn(|byte| key[4 * word + byte]))
            }),
        }
    }

    /// For the points from number `index` on, each part's numbers `start..` of the stream of each point, one for each range and uniform in it: for
    /// each range as many neighbouring lanes as there are blocks of points. The parts follow on each other in the streams.
    pub(crate) fn uniform(&self, level: Level, index: u64, blocks: usize, parts: &mut [Part]) {
        level.run(Uniform {
            key: &self.key,
            index,
            blocks,
            parts,
        });
    }
}

/// Successive numbers of each stream.
pub(crate) struct Part<'a> {
    pub(crate) start: usize,
    pub(crate) ranges: &'a [[f64; 2]],
    pub(crate) out: &'a mut [Lane],
}

struct Uniform<'a, 'b> {
    key: &'a [u32; 8],
    index: u64,
    blocks: usize,
    parts: &'a mut [Part<'b>],
}

impl Kernel for Uniform<'_, '_> {
    #[inline(always)]
    fn run<V: Vector, const ROWS: usize>(self) {
        let Uniform {
            key,
            index,
            blocks,
            parts,
        } = self;
        let first = parts.iter().map(|part| part.start).min().unwrap_or(0);
        let last = parts
            .iter()
            .map(|part| part.start + part.ranges.len())
            .max()
            .unwrap_or(0);
        if blocks == 1 {
            // two successive blocks of each of eight streams
            for counter in (first / NUMBERS..last.div_ceil(NUMBERS)).step_by(2) {
                let counters = [counter as u64, counter as u64 + 1];
                let words = sixteen::<V::Words>(key, counters, [index, index]);
                for half in 0..2 {
                    spread::<V>(&words, half, (counter + half) * NUMBERS, 0, 1, parts);
                }
            }
            return;
        }
        // one block of each of sixteen streams
        for pair in (0..blocks).step_by(2) {
            let index = index.wrapping_add((pair * LANES) as u64);
            for counter in first / NUMBERS..last.div_ceil(NUMBERS) {
                let streams = [index, index.wrapping_add(LANES as u64)];
                let words = sixteen::<V::Words>(key, [counter as u64; 2], streams);
                for half in 0..2 {
                    spread::<V>(&words, half, counter * NUMBERS, pair + half, blocks, parts);
                }
            }
        }
    }
}

/// Writes the numbers of half of the words, which are numbers `from..` of their streams, to one of the blocks of points.
#[inline(always)]
fn spread<V: Vector>(
    words: &[Word; WORDS],
    half: usize,
    from: usize,
    block: usize,
    blocks: usize,
    parts: &mut [Part],
) {
    for part in parts {
        let numbers = part.start.max(from)..(part.start + part.ranges.len()).min(from + NUMBERS);
        for number in numbers {
            let word = 2 * (number - from);
            let below = &words[word].as_chunks().0[half];
            let above = &words[word + 1].as_chunks().0[half];
            let share = V::shares(below, above);
            let [low, high] = part.ranges[number - part.start];
            let value = V::splat(low) + V::splat(high - low) * share;
            // where the width overflows it is NaN, or infinite
            let value = V::splat(low).raised(value);
            value
                .bounded(V::splat(high))
                .store(&mut part.out[(number - part.start) * blocks + block]);
        }
    }
}

/// Blocks of ChaCha: the first half of the words those with the first counter of streams `index..` for the first index, the second half with the
/// second.
#[inline(always)]
fn sixteen<W: Words>(key: &[u32; 8], counters: [u64; 2], indices: [u64; 2]) -> [Word; WORDS] {
    // "expand 32-byte k"
    let fixed = [0x6170_7865, 0x3320_646e, 0x7962_2d32, 0x6b20_6574];
    let mut places = [[0; WIDTH]; 4];
    for lane in 0..WIDTH {
        let counter = counters[lane / LANES];
        let stream = indices[lane / LANES].wrapping_add((lane % LANES) as u64);
        places[0][lane] = counter as u32;
        places[1][lane] = (counter >> 32) as u32;
        places[2][lane] = stream as u32;
        places[3][lane] = (stream >> 32) as u32;
    }
    let mut words = [[0; WIDTH]; WORDS];
    for lane in (0..WIDTH).step_by(W::COUNT) {
        let mut start = [W::splat(fixed[0]); WORDS];
        for word in 0..4 {
            start[word] = W::splat(fixed[word]);
            start[4 + word] = W::splat(key[word]);
            start[8 + word] = W::splat(key[4 + word]);
            start[12 + word] = W::load(&places[word][lane..]);
        }
        let mut x = start;
        for _ in 0..4 {
            quarter_round::<W, 0, 4, 8, 12>(&mut x);
            quarter_round::<W, 1, 5, 9, 13>(&mut x);
            quarter_round::<W, 2, 6, 10, 14>(&mut x);
            quarter_round::<W, 3, 7, 11, 15>(&mut x);
            quarter_round::<W, 0, 5, 10, 15>(&mut x);
            quarter_round::<W, 1, 6, 11, 12>(&mut x);
            quarter_round::<W, 2, 7, 8, 13>(&mut x);
            quarter_round::<W, 3, 4, 9, 14>(&mut x);
        }
        for word in 0..WORDS {
            x[word].add(start[word]).store(&mut words[word][lane..]);
        }
    }
    words
}

#[inline(always)]
fn quarter_round<W: Words, const A: usize, const B: usize, const C: usize, const D: usize>(
    x: &mut [W; WORDS],
) {
    x[A] = x[A].add(x[B]);
    x[D] = x[D].xor_rotate::<16, 16>(x[A]);
    x[C] = x[C].add(x[D]);
    x[B] = x[B].xor_rotate::<12, 20>(x[C]);
    x[A] = x[A].add(x[B]);
    x[D] = x[D].xor_rotate::<8, 24>(x[A]);
    x[C] = x[C].add(x[D]);
    x[B] = x[B].xor_rotate::<7, 25>(x[C]);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Side by side or one by one, the numbers are the same bits, on every instruction set.
    #[test]
    fn blocks_are_the_streams_of_their_points() {
        let ranges: Vec<[f64; 2]> = (0..77).map(|i| [-f64::from(i), 0.5 * f64::from(i)]).collect();
        for (seed, purpose, index, start) in [(7, 0, 0, 0), (u64::MAX, 3, u64::from(u32::MAX) - 2, 13)] {
            for level in Level::available() {
                for blocks in [1, 2, 8] {
                    let (first, second) = ranges.split_at(30);
                    let mut out = vec![[0.0; LANES]; blocks * ranges.len()];
                    let (head, tail) = out.split_at_mut(blocks * first.len());
                    let part = |start, ranges, out| Part { start, ranges, out };
                    let mut parts = [part(start, first, head), part(start + first.len(), second, tail)];
                    BlockStream::new(seed, purpose).uniform(level, index, blocks, &mut parts);
                    for point in 0..blocks * LANES {
                        let mut stream = Stream::new(seed, purpose, index + point as u64);
                        let _ = (0..start).map(|_| stream.uniform()).sum::<f64>();
                        for (entry, [low, high]) in out.chunks(blocks).zip(&ranges) {
                            let number = entry[point / LANES][point % LANES];
                            assert_eq!(number, low + (high - low) * stream.uniform());
                        }
                    }
                }
            }
        }
    }
}
