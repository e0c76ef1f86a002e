//! A second, slow inflater, written from RFC 1951 alone, that knows the size of its window.

use alloc::vec::Vec;

/// Inflates `data`, a whole number of blocks, behind `history`. An error if it is malformed, or if
/// it refers further back than `window_len`, or than there is anything.
pub(super) fn inflate(
    data: &[u8],
    history: &[u8],
    window_len: usize,
) -> Result<Vec<u8>, &'static str> {
    let mut bits = Bits { data, at: 0 };
    let mut out = history.to_vec();
    while bits.at.div_ceil(8) < data.len() {
        let last = bits.take(1)?;
        match bits.take(2)? {
            0 => stored(&mut bits, &mut out)?,
            1 => {
                let lens: Vec<u8> = (0..288)
                    .map(|i| [8, 9, 7, 8][[144, 256, 280, 288].partition_point(|&b| b <= i)])
                    .collect();
                compressed(
                    &mut bits,
                    &mut out,
                    &Code::new(&lens),
                    &Code::new(&[5; 30]),
                    window_len,
                )?;
            }
            2 => {
                let (lens, distances) = codes(&mut bits)?;
                compressed(&mut bits, &mut out, &lens, &distances, window_len)?;
            }
            _ => return Err("block type 3"),
        }
        if last == 1 {
            bits.at = bits.at.next_multiple_of(8);
        }
    }
    Ok(out.split_off(history.len()))
}

struct Bits<'a> {
    data: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn take(&mut self, count: usize) -> Result<usize, &'static str> {
        (0..count).try_fold(0, |value, i| {
            let byte = self.data.get(self.at / 8).ok_or("cut off")?;
            let bit = usize::from(byte >> (self.at % 8) & 1);
            self.at += 1;
            Ok(value | bit << i)
        })
    }
}

/// A canonical Huffman code (RFC 1951 §3.2.2).
struct Code {
    /// `(length, code, symbol)`
    words: Vec<(u8, usize, usize)>,
}

impl Code {
    fn new(lens: &[u8]) -> Self {
        let mut words: Vec<_> = lens
            .iter()
            .enumerate()
            .filter(|&(_, &len)| len > 0)
            .map(|(symbol, &len)| (len, 0, symbol))
            .collect();
        words.sort_unstable();
        let (mut code, mut len_before) = (0, 0);
        for (len, word, _) in &mut words {
            code <<= *len - len_before;
            len_before = *len;
            *word = code;
            code += 1;
        }
        Self { words }
    }

    fn symbol(&self, bits: &mut Bits<'_>) -> Result<usize, &'static str> {
        let mut code = 0;
        for len in 1..=15 {
            code = code << 1 | bits.take(1)?;
            if let Ok(i) = self.words.binary_search_by_key(&(len, code), |&(l, c, _)| (l, c)) {
                return Ok(self.words[i].2);
            }
        }
        Err("no such code")
    }
}

fn stored(bits: &mut Bits<'_>, out: &mut Vec<u8>) -> Result<(), &'static str> {
    bits.at = bits.at.next_multiple_of(8);
    let (len, complement) = (bits.take(16)?, bits.take(16)?);
    if len != !complement & 0xffff {
        return Err("stored length");
    }
    let start = bits.at / 8;
    out.extend_from_slice(bits.data.get(start..start + len).ok_or("cut off")?);
    bits.at += 8 * len;
    Ok(())
}

fn codes(bits: &mut Bits<'_>) -> Result<(Code, Code), &'static str> {
    const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
    let (len_count, distance_count) = (bits.take(5)? + 257, bits.take(5)? + 1);
    let order_count = bits.take(4)? + 4;
    let mut lens = [0; 19];
    for &i in &ORDER[..order_count] {
        lens[i] = u8::try_from(bits.take(3)?).unwrap();
    }
    let code = Code::new(&lens);
    let mut lens = Vec::new();
    while lens.len() < len_count + distance_count {
        let (repeat, len) = match code.symbol(bits)? {
            16 => (3 + bits.take(2)?, *lens.last().ok_or("nothing to repeat")?),
            17 => (3 + bits.take(3)?, 0),
            18 => (11 + bits.take(7)?, 0),
            len => (1, u8::try_from(len).unwrap()),
        };
        lens.extend(core::iter::repeat_n(len, repeat));
    }
    Ok((Code::new(&lens[..len_count]), Code::new(&lens[len_count..])))
}

fn compressed(
    bits: &mut Bits<'_>,
    out: &mut Vec<u8>,
    lens: &Code,
    distances: &Code,
    window_len: usize,
) -> Result<(), &'static str> {
    loop {
        let symbol = lens.symbol(bits)?;
        let len = match symbol {
            0..256 => {
                out.push(u8::try_from(symbol).unwrap());
                continue;
            }
            256 => return Ok(()),
            257..265 => symbol - 254,
            265..285 => {
                let extra = (symbol - 261) / 4;
                3 + ((4 + (symbol - 265) % 4) << extra) + bits.take(extra)?
            }
            285 => 258,
            _ => return Err("length code"),
        };
        let distance = match distances.symbol(bits)? {
            symbol @ 0..4 => symbol + 1,
            symbol => {
                let extra = symbol / 2 - 1;
                1 + ((2 + symbol % 2) << extra) + bits.take(extra)?
            }
        };
        if distance > window_len || distance > out.len() {
            return Err("too far back");
        }
        (0..len).for_each(|_| out.push(out[out.len() - distance]));
    }
}

#[test]
fn it_reads_all_block_types() {
    for (level, finish) in [(0, true), (1, false), (6, true), (9, false)] {
        let text = super::Text(level).message(50_000);
        let level = i32::try_from(level).unwrap();
        let mut data = super::oracle::zlib_rs_deflate(&text, level, finish);
        assert_eq!(inflate(&data, &[], 1 << 15).unwrap(), text);
        data.pop();
        assert!(inflate(&data, &[], 1 << 15).is_err());
    }
}
