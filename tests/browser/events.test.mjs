// collector/luot-events.js: events of a page by attributes and by a call, whatever the server and the browser do.

import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { parse } from 'acorn';
import { eventually, launch, minified, open_page, start_stub } from './support.mjs';

describe('the file', () => {
  test('is at most 1 kB gzipped once minified, and ES5', () => {
    const script = minified('luot-events.js');
    assert.ok(gzipSync(script, { level: 9 }).length <= 1024);
    parse(script.toString(), { ecmaVersion: 5 });
  });
});

describe('events of a page', () => {
  let browser, stub, page;

  before(async () => { browser = await launch(); });
  after(() => browser.close());
  beforeEach(async () => {
    stub = await start_stub();
    page = await open_page(browser);
  });
  afterEach(async () => {
    await page.context().close();
    await stub.stop();
    assert.deepEqual(page.problems, []);
  });

  const events = () => stub.hits.filter((hit) => hit.n);
  const told = (n) => eventually(() => events().length >= n && events(), `${n} events`);
  const names = () => events().map((hit) => [hit.n, hit.d]);
  const open = (body, head = stub.tag + stub.events_tag, path = '/a') => page.goto(stub.page(path, body, head));

  test('a call says what happened, as text and without cookies', async () => {
    await page.goto(`${stub.page('/a%20b', '', stub.events_tag)}?id=1&q=100%#x`);
    await page.evaluate(() => luot.event('download', { file: 'báo-cáo.pdf', pages: 12, free: true }));
    const [{ id, ...hit }] = await told(1);
    assert.match(id, /^[A-Za-z0-9_-]{16,64}$/);
    assert.deepEqual(hit, {
      method: 'POST', type: 'text/plain;charset=UTF-8', cookie: undefined, s: 'demo', p: '/a%20b?id=1&q=100%25',
      n: 'download', d: { file: 'báo-cáo.pdf', pages: 12, free: true }, l: 'en-US', w: 1280, b: 0, tab: '',
    });
    await page.evaluate(() => luot.event('print'));
    assert.deepEqual((await told(2))[1].d, undefined);
    assert.equal(stub.hits.length, 2);  // it counts no view
  });

  test('a click on an element that names an event tells it with its properties', async () => {
    await open('<a href="#x" data-luot-event="download" data-luot-event-file="a.pdf" data-luot-event-so-trang="12"><b>a</b></a><i>b</i>');
    await page.click('i');
    await page.click('b');
    await told(1);
    assert.deepEqual(names(), [['download', { file: 'a.pdf', 'so-trang': '12' }]]);
  });

  test('a form tells its event when it is sent, not when it is clicked into', async () => {
    await open('<form data-luot-event="comment" data-luot-event-of="bai-1"><input id="text"><button>Gửi</button></form>');
    await page.evaluate(() => document.forms[0].addEventListener('submit', (event) => {
      event.preventDefault();
      event.stopPropagation();
    }));
    await page.click('#text');
    await page.click('button');
    await told(1);
    assert.deepEqual(names(), [['comment', { of: 'bai-1' }]]);
  });

  test('an event arrives although its link leaves the page', async () => {
    stub.page('/b', 'b', '');
    await open(`<a href="/b" data-luot-event="away">b</a>`);
    await page.click('a');
    await page.waitForURL('**/b');
    await told(1);
    assert.equal(new Set(events().map((hit) => hit.id)).size, 1);
  });

  test('what has no answer when the page is left goes once more by sendBeacon, under its id', async () => {
    stub.on_hit = (hit) => (hit.n ? null : { status: 202, body: { accepted: true, token: 'p.1.1' } });
    stub.page('/b', 'b', '');
    await open('');
    await page.evaluate(() => luot.event('download', { file: 'a.pdf' }));
    await told(1);
    await page.goto(`${stub.pages}/b`);
    const [first, second] = await told(2);
    assert.equal(first.id, second.id);
    assert.deepEqual(names()[1], ['download', { file: 'a.pdf' }]);
  });

  test('without an answer it is sent once more under the same id, and then given up', async () => {
    stub.on_hit = () => ({ status: 503 });
    await open('', stub.events_tag);
    await page.evaluate(() => luot.event('download'));
    const [first, second] = await told(2);
    assert.equal(first.id, second.id);
    stub.on_hit = () => ({ status: 400, body: { accepted: false, reason: 'bad_request' } });
    const answered = page.waitForResponse('**/hit');
    await page.evaluate(() => luot.event('refused'));
    await (await answered).finished();
    await page.evaluate(() => new Promise((heard) => setTimeout(heard, 100)));
    await page.goto('about:blank');  // nothing is pending: no beacon
    assert.deepEqual(events().map((hit) => hit.n), ['download', 'download', 'refused']);
  });

  test('the page notices nothing: no server, no site, odd elements, a library of the same name', async () => {
    await open('<svg width="9" height="9" data-luot-event="svg"><rect width="9" height="9"/></svg><p data-luot-event="">p</p>',
      `<script>window.luot = { mine: 1 };</script>${stub.events_tag}${stub.events_tag}`);
    await page.click('rect');
    await page.click('p');
    await page.evaluate(() => { const loop = {}; loop.loop = loop; luot.event('loop', loop); luot.event('call'); });
    await told(2);
    assert.deepEqual(names(), [['svg', {}], ['call', undefined]]);
    assert.equal(await page.evaluate(() => luot.mine), 1);
    await open('<b data-luot-event="x">b</b>', stub.events_tag.replace('data-site="demo"', ''), '/no-site');
    await page.click('b');
    await open('<b data-luot-event="x">b</b>', stub.events_tag, '/gone');
    await stub.stop_stats();
    await page.click('b');
    assert.equal(await page.evaluate(() => typeof luot.event), 'function');
  });

  test('takes along the id of the tab that luot.js keeps where the site asks for it', async () => {
    await open('', stub.tag.replace('data-site', 'data-visitor="tab" data-site') + stub.events_tag);
    const view = await eventually(() => stub.hits.find((hit) => !hit.n), 'the view');
    await page.evaluate(() => luot.event('download'));
    const [hit] = await told(1);
    assert.equal(hit.tab, view.tab);
    assert.notEqual(hit.tab, '');
  });
});
