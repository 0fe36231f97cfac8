// What the browser tests stand on: the demo of deploy/quickstart.sh, a browser that luot takes for a
// reader's, and a stub of the server that can be told to fail. Everything listens on a port that was
// free, and is stopped by whoever started it.

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

export const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');

// The headless browser's own User-Agent is on the crawler lists: its views would not be views.
export const user_agent =
  'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36';

/** A script as the build makes it. */
export const minified = (name = 'luot.js') =>
  execFileSync(join(root, 'node_modules/.bin/terser'),
    [join(root, 'collector', name), '--config-file', join(root, 'collector/terser.json')]);

export const executable = process.env.CHROMIUM ?? '/usr/bin/chromium';

export const launch = (args = []) => chromium.launch({
  executablePath: executable,
  chromiumSandbox: false,
  args: [
    '--disable-blink-features=AutomationControlled', '--disable-background-networking', '--disable-component-update',
    '--disable-sync', '--disable-quic', '--no-first-run', ...args,
  ],
});

/**
 * A page that remembers what went wrong in it: `page.problems` has all uncaught errors, unhandled
 * rejections, violations of the content security policy and messages of the console other than those
 * that a failed request makes.
 */
export async function open_page(browser, options = {}) {
  const context = await browser.newContext({ userAgent: user_agent, viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  page.problems = [];
  page.on('pageerror', (error) => page.problems.push(String(error)));
  page.on('console', (message) => {
    if (message.text().startsWith('problem: ')) page.problems.push(message.text());
    if (['error', 'warning'].includes(message.type()) && !/Failed to load resource|blocked by CORS/.test(message.text())) {
      page.problems.push(message.text());
    }
  });
  if (options.javaScriptEnabled !== false) {
    await page.addInitScript(() => {
      for (const event of ['error', 'unhandledrejection', 'securitypolicyviolation']) {
        window.addEventListener(event, (e) => {
          console.log(`problem: ${event} ${e.message ?? e.reason ?? e.violatedDirective}`);
        });
      }
    });
  }
  return page;
}

/** The text of an element once it is what is expected, or what it still is after 10 s. */
export async function shows(page, selector, expected) {
  await page.waitForFunction(([s, text]) => document.querySelector(s)?.textContent === text, [selector, expected], { timeout: 10_000 })
    .catch(() => {});
  return page.locator(selector).first().textContent();
}

/** Waits for a condition, with a deadline. */
export async function eventually(condition, what = 'condition', seconds = 10) {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > deadline) throw new Error(`not within ${seconds} s: ${what}`);
    await new Promise((done) => setTimeout(done, 50));
  }
}

/** deploy/quickstart.sh as a process: `url` of the article, `site` and `stats` origins, `stop(signal)`. */
export async function start_quickstart(args = [], ready = true) {
  const process_ = spawn(join(root, 'deploy/quickstart.sh'), ['--no-install', ...args], {
    env: { ...process.env, LUOT_BIN: process.env.LUOT_BIN || 'build/release/luot' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const quickstart = { process: process_, output: '', errors: '' };
  process_.stdout.on('data', (bytes) => { quickstart.output += bytes; });
  process_.stderr.on('data', (bytes) => { quickstart.errors += bytes; });
  const ended = once(process_, 'exit');
  quickstart.exit_status = async () => (await ended)[0];
  quickstart.stop = async (signal = 'SIGTERM') => {
    process_.kill(signal);
    return quickstart.exit_status();
  };
  if (!ready) return quickstart;

  await eventually(() => {
    if (process_.exitCode !== null) throw new Error(`quickstart ended: ${quickstart.output}${quickstart.errors}`);
    return /open http/.test(quickstart.output);
  }, 'quickstart prints its URL', 60);
  quickstart.url = /open (\S+)/.exec(quickstart.output)[1];
  quickstart.folder = /the log is (\S+)\/quickstart\.log/.exec(quickstart.output)[1];
  quickstart.site = new URL(quickstart.url).origin;
  quickstart.stats = /<script defer src="([^"]*)\/luot\.js"/.exec(await (await fetch(quickstart.url)).text())[1];
  return quickstart;
}

const gif = Buffer.from('R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7', 'base64');

/**
 * Two origins: `pages` serves `html[path]`; `stats` stands for luot under the prefix /thong-ke/,
 * remembers what it was asked (`hits`, `reads`, as parsed) and answers what `on_hit` and `on_read` say:
 * {status, headers, body}, or null for no answer ever; `on_hit` may answer it later.
 */
export async function start_stub() {
  const script = minified();
  const stub = {
    html: {},
    hits: [],
    reads: [],
    on_hit: () => ({ status: 202, body: { accepted: true, token: 'p.1.1' } }),
    on_read: (read) => ({
      status: 200,
      body: {
        site: 'demo', views: 3680027, visits: 730, online: 3,
        pages: Object.fromEntries(read.paths.map((path) => [path, { views: 1406 }])),
        summary: Object.fromEntries(['today', 'yesterday', 'this_week', 'this_month', 'total'].map(
          (period, i) => [period, { views: 2000 + i, visits: 1000 + i }])),
      },
    }),
  };

  const cors = { 'Access-Control-Allow-Origin': '*', 'Access-Control-Expose-Headers': 'Luot-Token, Luot-Refused, Retry-After' };
  const stats = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    const url = new URL(request.url, 'http://stats');
    const answer = (reply) => {
      if (!reply) return;  // the connection stays open, and silent
      response.writeHead(reply.status, { ...cors, 'Content-Type': 'application/json', ...reply.headers });
      response.end(typeof reply.body === 'object' ? JSON.stringify(reply.body) : reply.body ?? '');
    };
    if (/^\/thong-ke\/luot(-events)?\.js$/.test(url.pathname)) {
      response.writeHead(200, { 'Content-Type': 'text/javascript; charset=utf-8' });
      response.end(url.pathname.endsWith('/luot.js') ? script : minified('luot-events.js'));
    } else if (url.pathname === '/thong-ke/hit') {
      const hit = { ...JSON.parse(body), method: request.method, type: request.headers['content-type'], cookie: request.headers.cookie };
      stub.hits.push(hit);
      answer(await stub.on_hit(hit, stub.hits.length));
    } else if (url.pathname === '/thong-ke/hit.gif') {
      stub.hits.push({ ...Object.fromEntries(url.searchParams), method: 'GET' });
      response.writeHead(200, { 'Content-Type': 'image/gif' });
      response.end(gif);
    } else if (url.pathname === '/thong-ke/api/v1/counts' && request.method === 'POST') {
      const read = JSON.parse(body);
      stub.reads.push(read);
      answer(stub.on_read(read, stub.reads.length));
    } else {
      answer({ status: 404, body: { error: { code: 'not_found', message: url.pathname } } });
    }
  });
  const pages = createServer((request, response) => {
    const html = stub.html[new URL(request.url, 'http://pages').pathname];
    response.writeHead(html === undefined ? 404 : 200, { 'Content-Type': 'text/html; charset=utf-8' });
    response.end(html ?? '');
  });

  for (const server of [stats, pages]) {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
  }
  stub.stats = `http://127.0.0.1:${stats.address().port}`;
  stub.pages = `http://127.0.0.1:${pages.address().port}`;
  stub.tag = `<script defer src="${stub.stats}/thong-ke/luot.js?v=1/2" data-site="demo"></script>`;
  stub.events_tag = stub.tag.replace('luot.js', 'luot-events.js');

  /** Puts a page there and answers its address. */
  stub.page = (path, body, head = stub.tag, lang = 'vi') => {
    stub.html[path] = `<!DOCTYPE html><html lang="${lang}"><head><meta charset="utf-8"><title>Trang ${path}</title>` +
      `<link rel="icon" href="data:,">${head}</head><body>${body}</body></html>`;
    return stub.pages + path;
  };
  stub.stop_stats = async () => {
    if (!stats.listening) return;
    stats.closeAllConnections();
    stats.close();
    await once(stats, 'close');
  };
  stub.stop = async () => {
    await stub.stop_stats();
    pages.closeAllConnections();
    pages.close();
  };
  return stub;
}
