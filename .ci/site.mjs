// Finishes what `cargo leptos build --split` made: packs chunks, gives the build a name, compresses. Usage: node .ci/site.mjs
//
// The splitter makes a file of everything that the same places need: dozens, most of them tiny. What one place needs becomes
// one file here, so that a page is two requests, and what two places share is in both. Such a pack is a WebAssembly
// module that only has custom sections: one for each chunk, by its name; a chunk that is there already is not made twice.
//
// All files carry one name, the hash of them all. So whatever changed, no file of one build is ever loaded beside one of
// another; named by its own content, a file that names others would keep its name, and stay in caches, while they change.
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const SITE = "target/site";
const PKG = join(SITE, "pkg");
const HASH_FILE = "target/release/hash.txt"; // beside the binary, where the server looks for it
/** As long as a name, so that names inside of binary files can be replaced where they are. */
const NO_NAME = "______________________";
const LOADER = `__wasm_split.${NO_NAME}.js`;
const MANIFEST = "__wasm_split_manifest.json";

const read = (file) => readFileSync(join(PKG, file));
const write = (file, content) => writeFileSync(join(PKG, file), content);

/** A number as WebAssembly writes lengths. */
function leb128(number) {
  const bytes = [];
  for (; number > 0x7f; number >>>= 7) bytes.push((number & 0x7f) | 0x80);
  return Buffer.from([...bytes, number]);
}

/** A module of custom sections only. */
function pack(chunks) {
  const sections = chunks.map((chunk) => {
    const body = Buffer.concat([leb128(chunk.length), Buffer.from(chunk), read(`${chunk}.wasm`)]);
    return Buffer.concat([Buffer.from([0]), leb128(body.length), body]);
  });
  return Buffer.concat([Buffer.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]), ...sections]);
}

/** How a pack is loaded; `makeLoad` is the splitter's, and remembers what succeeded. */
const UNPACK = `
const made = new Map();
const unpack = (file, chunks) => makeLoad(() => {
  const fetched = WebAssembly.compileStreaming(fetch(new URL(file, import.meta.url)));
  return async (imports) => {
    const whole = await fetched;
    for (const chunk of chunks.filter((chunk) => !made.has(chunk))) {
      made.set(chunk, WebAssembly.instantiate(WebAssembly.Module.customSections(whole, chunk)[0], imports));
    }
    await Promise.all(chunks.map((chunk) => made.get(chunk)));
  };
}, []);
`;

function packPlaces() {
  const places = Object.entries(JSON.parse(read(MANIFEST).toString())).sort();
  const loader = read(LOADER).toString();
  const end = loader.search(/^(\/\*|const __chunk_|export const __wasm_split_load_)/m);
  if (places.length === 0 || end < 0 || !loader.slice(0, end).includes("function makeLoad(")) {
    throw new Error(`${LOADER} is not as this script knows it; look at what the splitter writes now`);
  }
  const loads = places.map(([place, chunks]) =>
    `export const __wasm_split_load_${place} = wrapAsyncCb(unpack("./${place}.wasm", ${JSON.stringify(chunks)}));\n`);
  for (const [place, chunks] of places) write(`${place}.wasm`, pack(chunks));
  for (const chunk of new Set(places.flatMap(([, chunks]) => chunks))) rmSync(join(PKG, `${chunk}.wasm`));
  write(LOADER, loader.slice(0, end) + UNPACK + loads.join(""));
  write(MANIFEST, JSON.stringify(Object.fromEntries(places.map(([place]) => [place, [place]]))));
}

/** Names every file after all of them. */
function nameFiles() {
  const files = readdirSync(PKG).sort();
  const hash = createHash("sha256");
  for (const file of files) hash.update(`${file}\0`).update(createHash("sha256").update(read(file)).digest());
  const name = hash.digest("hex").slice(0, NO_NAME.length);
  const named = (file) => (file.includes(NO_NAME) ? file.replace(NO_NAME, name) : file.replace(/\.(\w+)$/, `.${name}.$1`));
  const modules = files.filter((file) => file.endsWith(".wasm"));
  for (const file of files) {
    // Text or not: latin1 keeps every byte, and names are ASCII.
    let content = read(file).toString("latin1").replaceAll(NO_NAME, name);
    if (file === LOADER) for (const other of ["lifeboat.js", ...modules]) content = content.replaceAll(`"./${other}"`, `"./${named(other)}"`);
    if (file === MANIFEST) for (const other of modules) content = content.replaceAll(`["${other.slice(0, -5)}"]`, `["${named(other).slice(0, -5)}"]`);
    write(file, Buffer.from(content, "latin1"));
    renameSync(join(PKG, file), join(PKG, named(file)));
  }
  for (const file of ["lifeboat.js", "lifeboat.wasm"]) {
    if (!read(named(file)).includes(named(LOADER))) throw new Error(`${named(file)} does not know ${named(LOADER)}`);
  }
  mkdirSync("target/release", { recursive: true });
  writeFileSync(HASH_FILE, ["js", "wasm", "css", "manifest", "split"].map((kind) => `${kind}: ${name}\n`).join(""));
}

function compress() {
  for (const entry of readdirSync(SITE, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || /\.(br|gz|woff2|png)$/.test(entry.name)) continue;
    const file = join(entry.parentPath ?? entry.path, entry.name);
    const content = readFileSync(file);
    const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_LGWIN]: 24, [constants.BROTLI_PARAM_SIZE_HINT]: content.length };
    writeFileSync(`${file}.br`, brotliCompressSync(content, { params }));
    writeFileSync(`${file}.gz`, gzipSync(content, { level: 9 }));
  }
}

for (const file of readdirSync(PKG)) if (file.endsWith(".d.ts")) rmSync(join(PKG, file));
packPlaces();
nameFiles();
compress();
