// Proof of work: finds the number that makes SHA-256 of `challenge:number` begin with enough zero bits, then sends the
// form. `crypto.subtle` is not there on plain http, and slow for many short messages, so the hash is computed here.
(() => {
  "use strict";

  const [K, START] = (() => {
    const primes = [];
    for (let n = 2; primes.length < 64; n += 1) if (primes.every((prime) => n % prime)) primes.push(n);
    const fraction = (value) => Math.floor((value % 1) * 2 ** 32);
    return [
      Uint32Array.from(primes, (prime) => fraction(Math.cbrt(prime))),
      Uint32Array.from(primes.slice(0, 8), (prime) => fraction(Math.sqrt(prime))),
    ];
  })();

  // FIPS 180-4, section 6.2.2: one block of 64 bytes, from `at`, into the state.
  const words = new Uint32Array(64);
  const compress = (state, bytes, at) => {
    for (let t = 0; t < 16; t += 1, at += 4) words[t] = (bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3];
    for (let t = 16; t < 64; t += 1) {
      const x = words[t - 15];
      const y = words[t - 2];
      const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
      const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
      words[t] = words[t - 16] + s0 + words[t - 7] + s1;
    }
    let [a, b, c, d, e, f, g, h] = state;
    for (let t = 0; t < 64; t += 1) {
      const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
      const t1 = (h + s1 + ((e & f) ^ (~e & g)) + K[t] + words[t]) | 0;
      const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
      const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      h = g; g = f; f = e; e = (d + t1) | 0; d = c; c = b; b = a; a = (t1 + t2) | 0;
    }
    state[0] += a; state[1] += b; state[2] += c; state[3] += d; state[4] += e; state[5] += f; state[6] += g; state[7] += h;
  };

  // The challenge's whole blocks are the same for every number, so that they are hashed once.
  const hasher = (challenge) => {
    const head = new TextEncoder().encode(`${challenge}:`);
    const whole = head.length - (head.length % 64);
    const before = START.slice();
    for (let at = 0; at < whole; at += 64) compress(before, head, at);
    const rest = head.subarray(whole);
    const block = new Uint8Array(192);
    const state = new Uint32Array(8);
    return (number) => {
      const digits = String(number);
      const length = rest.length + digits.length;
      const end = Math.ceil((length + 9) / 64) * 64;
      block.fill(0, 0, end);
      block.set(rest);
      for (let i = 0; i < digits.length; i += 1) block[rest.length + i] = digits.charCodeAt(i);
      block[length] = 0x80;
      new DataView(block.buffer).setUint32(end - 4, (whole + length) * 8);
      state.set(before);
      for (let at = 0; at < end; at += 64) compress(state, block, at);
      return state;
    };
  };

  const zeroBits = (state) => {
    let bits = 0;
    for (const word of state) {
      bits += Math.clz32(word);
      if (word) break;
    }
    return bits;
  };

  const pause = () => new Promise((resolve) => { setTimeout(resolve); });

  const solve = async (challenge, bits) => {
    const hash = hasher(challenge);
    for (let number = 0; ; number += 1) {
      if (zeroBits(hash(number)) >= bits) return `${challenge}:${number}`;
      if (number % 4096 === 4095) await pause();
    }
  };

  for (const form of document.querySelectorAll("form[data-challenge]")) {
    const field = form.querySelector("input[name='proof']");
    const status = form.querySelector("[role='status']");
    if (status) status.textContent = "Your browser is computing; this takes a second or two.";
    solve(form.dataset.challenge, Number(form.dataset.bits)).then((proof) => {
      field.value = proof;
      form.submit();
    });
  }
})();
