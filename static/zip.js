// Many files as one ZIP, so that the slices of one series reach the program together. APPNOTE.TXT, 4.3.
const TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let bit = 0; bit < 8; bit++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
  return n >>> 0;
});
const UTF8 = 1 << 11;
const STORED = 0, DEFLATED = 8;

function crc32(bytes) {
  let crc = -1;
  for (const byte of bytes) crc = TABLE[(crc ^ byte) & 255] ^ (crc >>> 8);
  return ~crc >>> 0;
}

function fields(...pairs) {
  const view = new DataView(new ArrayBuffer(pairs.reduce((sum, [size]) => sum + size, 0)));
  let at = 0;
  for (const [size, value] of pairs) {
    if (size === 2) view.setUint16(at, value, true);
    else view.setUint32(at, value, true);
    at += size;
  }
  return view;
}

async function deflated(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream("deflate-raw"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// The ZIP, or null when it would be larger than `most` bytes.
export async function pack(files, most, signal) {
  const parts = [], directory = [];
  let offset = 0, length = 0;
  for (const [number, file] of files.entries()) {
    signal.throwIfAborted();
    const bytes = new Uint8Array(await file.arrayBuffer());
    const small = "CompressionStream" in globalThis ? await deflated(bytes) : bytes;
    const name = new TextEncoder().encode(`${number}/${file.name}`); // two files may have one name
    const method = small === bytes ? STORED : DEFLATED;
    const about = [[2, 20], [2, UTF8], [2, method], [4, 0x00210000], [4, crc32(bytes)],
      [4, small.length], [4, bytes.length], [2, name.length], [2, 0]];
    const header = fields([4, 0x04034b50], ...about);
    parts.push(header, name, small);
    const entry = fields([4, 0x02014b50], [2, 20], ...about, [2, 0], [2, 0], [2, 0], [4, 0], [4, offset]);
    directory.push(entry, name);
    offset += header.byteLength + name.length + small.length;
    length += entry.byteLength + name.length;
    if (offset + length > most) return null;
  }
  const end = fields([4, 0x06054b50], [2, 0], [2, 0], [2, files.length], [2, files.length], [4, length], [4, offset], [2, 0]);
  return new File([...parts, ...directory, end], `${files.length} files.zip`, { type: "application/zip" });
}
