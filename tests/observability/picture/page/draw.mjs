// node draw.mjs BOARD RECORDING DIRECTORY PICTURES: bundles the page, serves it on loopback and has Chromium take a picture of it for each
// of PICTURES, a JSON object of lists of panels' ids by file names. CHROMIUM names the browser where it is not found by its usual names.

import { spawn } from 'node:child_process';
import { readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import path from 'node:path';
import process from 'node:process';
import { build } from 'esbuild';
import sharp from 'sharp';

const WIDTH = 1600;
const CELL = 38;
const HEAD = 48;
const FOOT = 8;
const SECONDS = 60;
const COLOURS = 96;
const TYPES = { '.css': 'text/css', '.html': 'text/html', '.js': 'text/javascript', '.json': 'application/json', '.svg': 'image/svg+xml', '.woff2': 'font/woff2' };

const here = import.meta.dirname;
const [boardFile, recordingFile, directory, pictures] = process.argv.slice(2);
const board = JSON.parse(await readFile(boardFile, 'utf8'));

async function bundle() {
  const { outputFiles } = await build({
    entryPoints: { bundle: path.join(here, 'page.jsx') },
    bundle: true, write: false, outdir: '/', minify: true, format: 'iife', jsx: 'automatic', logLevel: 'error',
    define: { 'process.env.NODE_ENV': '"production"' },
    loader: { '.svg': 'dataurl', '.ttf': 'empty' },
  });
  return Object.fromEntries(outputFiles.map((file) => [file.path, file.contents]));
}

async function serve() {
  const bundled = await bundle();
  const modules = path.join(here, 'node_modules');
  const places = [
    [/^\/$/, () => path.join(here, 'index.html')],
    [/^\/board\.json$/, () => boardFile],
    [/^\/recording\.json$/, () => recordingFile],
    [/^\/fonts\/([\w-]+\.woff2)$/, (name) => path.join(modules, '@fontsource/inter/files', name)],
    [/^\/public\/build\/img\/icons\/([\w-]+\/[\w-]+\.svg)$/, (name) => path.join(modules, '@grafana/ui/dist/public/img/icons', name)],
  ];
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url, 'http://localhost');
    try {
      const [pattern, file] = places.find(([each]) => each.test(pathname)) ?? [];
      const content = bundled[pathname] ?? await readFile(file(pattern.exec(pathname)[1]));
      response.setHeader('Content-Type', TYPES[path.extname(pathname)] ?? TYPES['.html']);
      response.end(content);
    } catch {
      response.statusCode = 404;
      response.end();
    }
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

function browse(...options) {
  const names = process.env.CHROMIUM ? [process.env.CHROMIUM] : ['chromium', 'chromium-browser', 'google-chrome'];
  const run = (name) => new Promise((resolve, reject) => {
    const child = spawn(name, options, { stdio: ['ignore', 'inherit', 'pipe'], timeout: SECONDS * 1000 });
    let said = '';
    child.stderr.on('data', (text) => { said += text; });
    child.on('error', reject);
    child.on('close', (status) => (status === 0 ? resolve(said) : reject(new Error(`${name}: ${status}\n${said}`))));
  });
  return names.reduce((tried, name) => tried.catch((err) => (err.code === 'ENOENT' ? run(name) : Promise.reject(err))),
    Promise.reject(Object.assign(new Error('no browser'), { code: 'ENOENT' })));
}

async function draw(port, name, ids) {
  const panels = board.panels.filter(({ id }) => ids.includes(id)).map(({ gridPos }) => gridPos);
  const cells = Math.max(...panels.map(({ y, h }) => y + h)) - Math.min(...panels.map(({ y }) => y));
  const raw = path.join(directory, `raw-${name}`);
  const said = await browse(
    '--headless=new', ...(process.getuid() === 0 ? ['--no-sandbox'] : []), '--disable-gpu', '--hide-scrollbars',
    '--force-color-profile=srgb', '--virtual-time-budget=15000', '--enable-logging=stderr', `--window-size=${WIDTH},${HEAD + cells * CELL + FOOT}`,
    `--user-data-dir=${path.join(directory, 'profile')}`, `--screenshot=${raw}`, `http://127.0.0.1:${port}/?panels=${ids.join(',')}`,
  );
  const faults = said.split('\n').filter((line) => line.includes('Uncaught'));
  if (faults.length) throw new Error(faults.join('\n'));
  await sharp(raw).png({ palette: true, colours: COLOURS, dither: 0, effort: 10 }).toFile(path.join(directory, name));
  await rm(raw);
}

const server = await serve();
try {
  for (const [name, ids] of Object.entries(JSON.parse(pictures))) await draw(server.address().port, name, ids);
} finally {
  server.closeAllConnections();
  server.close();
}
