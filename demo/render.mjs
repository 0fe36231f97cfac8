// The demo site: layout and articles to a folder of plain HTML that nginx serves.
//
//   node demo/render.mjs --stats http://127.0.0.1:8080 --out DIR [--site demo]
//
// An article is a file of articles/: a JSON object in a comment, then its text. Numbers are left to
// luot.js: until it has filled them in, an en dash stands in their place.

import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const here = dirname(fileURLToPath(import.meta.url));
const { values: options } = parseArgs({
  options: {
    stats: { type: 'string' },
    out: { type: 'string' },
    site: { type: 'string', default: 'demo' },
  },
});
if (!options.stats || !options.out) {
  console.error('usage: render.mjs --stats ORIGIN --out DIR [--site ID]');
  process.exit(2);
}

const escapes = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
const escape = (text) => text.replace(/[&<>"]/g, (c) => escapes[c]);

const articles = readdirSync(join(here, 'articles')).sort().map((name) => {
  const text = readFileSync(join(here, 'articles', name), 'utf8');
  const [, head, body] = /^<!--\n([^]*?)\n-->\n([^]*)$/.exec(text);
  const article = { ...JSON.parse(head), body };
  const [, year, month, day, time] = /^(\d+)-(\d+)-(\d+)T(\d+:\d+)/.exec(article.date);
  return { ...article, shown_date: `${day}/${month}/${year}`, shown_time: time };
});

const sections = [
  { id: 'su-kien', name: 'Tin tức – Sự kiện' },
  { id: 'chuyen-doi-so', name: 'Chuyển đổi số' },
  { id: 'van-hoa', name: 'Văn hóa' },
  { id: 'thong-bao', name: 'Thông báo' },
];

const eye = '<svg class="eye" viewBox="0 0 24 24" aria-hidden="true" focusable="false"><path d="M12 5C6.5 5 2.6 9.3 1.2 ' +
  '12c1.4 2.7 5.3 7 10.8 7s9.4-4.3 10.8-7C21.4 9.3 17.5 5 12 5Zm0 11.5a4.5 4.5 0 1 1 0-9 4.5 4.5 0 0 1 0 9Zm0-2a2.5 2.5 0 1 ' +
  '0 0-5 2.5 2.5 0 0 0 0 5Z"/></svg>';

const views = (path, label = 'Lượt xem:') => `<span class="views">${eye}<span class="hidden">${label}</span> ` +
  `<span data-luot="page-views"${path ? ` data-luot-path="${path}"` : ''}>–</span></span>`;

const date = (article, with_time) => `<time datetime="${article.date}">${article.shown_date}` +
  `${with_time ? ' ' + article.shown_time : ''}</time>`;

const words = {
  vi: {
    skip: 'Đến nội dung chính', over: 'Ủy ban nhân dân tỉnh Mẫu', name: 'Sở Thông tin Mẫu', menu: 'Chuyên mục',
    statistics: 'Thống kê truy cập', visits: 'Số lượt truy cập:', views: 'Tổng số lượt xem:',
    imprint: 'Cơ quan chủ quản: Ủy ban nhân dân tỉnh Mẫu. Địa chỉ: số 1 đường Ví Dụ, thành phố Mẫu.',
    note: 'Trang trình diễn của luot. Cơ quan, nhân vật và số liệu trong các bài viết đều là hư cấu.',
  },
  en: {
    skip: 'Skip to content', over: 'People’s Committee of Mau Province', name: 'Mau Department of Information', menu: 'Sections',
    statistics: 'Visitor statistics', visits: 'Visits:', views: 'Page views:',
    imprint: 'Governing body: People’s Committee of Mau Province. Address: 1 Vi Du Street, Mau City.',
    note: 'A demonstration of luot. The department, its people and all figures in the articles are fictitious.',
  },
};

function navigation(current, page_language) {
  const entries = [['/', 'Trang chủ'], ...sections.map((s) => [`/#${s.id}`, s.name, s.name]), ['/en/', 'English']];
  return entries.map(([href, name, section]) => {
    const language = href === '/en/' ? 'en' : 'vi';
    const foreign = language === page_language ? '' : ` lang="${language}" hreflang="${language}"`;
    const here_now = href === current.path ? ' aria-current="page"' : section && section === current.section ? ' class="current"' : '';
    return `<li><a href="${href}"${here_now}${foreign}>${name}</a></li>`;
  }).join('\n          ');
}

// The box "Thống kê truy cập": two numbers in a sentence, and the widget.
const statistics = (lang) => `<section class="box statistics" aria-labelledby="statistics">
        <h2 id="statistics">${words[lang].statistics}</h2>
        <p>${words[lang].visits} <strong data-luot="site-visits">–</strong></p>
        <p>${words[lang].views} <strong data-luot="site-views">–</strong></p>
        <div data-luot-widget lang="${lang}"></div>
      </section>`;

function page({ path, title, section, main, aside = '', lang = 'vi', counted = true }) {
  const w = words[lang];
  return `<!DOCTYPE html>
<html lang="${lang}">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>${escape(title)}</title>
  <link rel="canonical" href="${path}">
${section ? `  <meta property="article:section" content="${escape(section)}">\n` : ''}  <link rel="icon" href="/images/emblem.svg" type="image/svg+xml">
  <link rel="stylesheet" href="/style.css">
  <link rel="stylesheet" href="/widget.css">
${counted ? `  <script defer src="${options.stats}/luot.js" data-site="${options.site}"></script>\n` : ''}</head>
<body>
  <a class="skip" href="#content">${w.skip}</a>
  <header>
    <div class="banner">
      <div class="wide">
        <img src="/images/emblem.svg" width="72" height="72" alt="">
        <p><span class="over">${w.over}</span> <a class="name" href="${lang === 'en' ? '/en/' : '/'}">${w.name}</a></p>
      </div>
    </div>
    <nav aria-label="${w.menu}">
      <div class="wide">
        <ul>
          ${navigation({ path, section }, lang)}
        </ul>
      </div>
    </nav>
  </header>
  <div class="wide columns">
    <main id="content">
${main}
    </main>
    <aside aria-label="${w.statistics}">
      ${aside}${counted ? statistics(lang) : ''}
    </aside>
  </div>
  <footer>
    <div class="wide">
      <p class="name">${w.name}</p>
      <p>${w.imprint}</p>
      <p>${w.note}</p>
    </div>
  </footer>
${counted ? `  <noscript><img src="${options.stats}/hit.gif?s=${options.site}&amp;p=${encodeURIComponent(path)}" alt="" width="1" height="1" referrerpolicy="no-referrer-when-downgrade"></noscript>\n` : ''}</body>
</html>
`;
}

const entry = (article) => `          <li>
            <a href="${article.path}">${escape(article.title)}</a>
            <span class="meta">${date(article)} ${views(article.path)}</span>
          </li>`;

function article_page(article) {
  const section = sections.find((s) => s.name === article.section);
  const related = articles.filter((other) => other !== article);
  return page({
    path: article.path,
    title: article.title,
    section: article.section,
    main: `      <article>
        <p class="where"><a href="/">Trang chủ</a> <span aria-hidden="true">›</span> <a href="/#${section.id}">${section.name}</a></p>
        <h1>${escape(article.title)}</h1>
        <p class="meta">${date(article, true)} ${views()}</p>
        <div class="text">
${article.body.trimEnd()}
        </div>
        <p class="author">${escape(article.author)}</p>
      </article>
      <section class="related" aria-labelledby="related">
        <h2 id="related">Tin liên quan</h2>
        <ul>
${related.map(entry).join('\n')}
        </ul>
      </section>`,
  });
}

function card(article, heading) {
  return `          <li class="card">
            <img src="${article.image}" width="960" height="540" alt="" loading="lazy">
            <div>
              <${heading}><a href="${article.path}">${escape(article.title)}</a></${heading}>
              <p class="meta">${date(article, true)} ${views(article.path)}</p>
            </div>
          </li>`;
}

function home_page() {
  const [first, ...rest] = articles;
  const summary = /<p class="lead">([^]*?)<\/p>/.exec(first.body)[1];
  return page({
    path: '/',
    title: 'Sở Thông tin Mẫu – Cổng thông tin điện tử',
    main: `      <h1 class="hidden">Cổng thông tin điện tử Sở Thông tin Mẫu</h1>
      <article class="top">
        <img src="${first.image}" width="960" height="540" alt="${escape(first.alt)}">
        <div>
          <h2><a href="${first.path}">${escape(first.title)}</a></h2>
          <p class="meta">${date(first, true)} ${views(first.path)}</p>
          <p>${summary}</p>
        </div>
      </article>
${sections.map((s) => `      <section class="list" aria-labelledby="${s.id}">
        <h2 id="${s.id}">${s.name}</h2>
        <ul>
${(s === sections[0] ? rest : articles).filter((a) => a.section === s.name).map((a) => card(a, 'h3')).join('\n')}
        </ul>
      </section>`).join('\n')}
      <p class="meta own">Lượt xem trang chủ: ${views(null, '')}</p>`,
  });
}

const english_page = () => page({
  path: '/en/',
  title: 'Mau Department of Information',
  lang: 'en',
  main: `      <article>
        <h1>About the Department of Information</h1>
        <p class="meta">Page views: ${views(null, '')}</p>
        <div class="text">
          <p class="lead">The Department of Information looks after the province’s public websites, its shared data store and
          the network of village loudspeakers that still reaches more homes than any app.</p>
          <figure>
            <img src="/images/ruong-bac-thang.svg" width="960" height="540" alt="Sunrise over terraced rice fields and a mountain range">
            <figcaption>Terraced fields in the north of the province.</figcaption>
          </figure>
          <p>News is published in Vietnamese. This page gives visitors from abroad an overview, and shows how often the site is
          read: the same figures as on the Vietnamese pages, written as English readers expect them.</p>
          <p>Enquiries in English are answered within two working days by the one-stop office at 1 Vi Du Street.</p>
        </div>
      </article>`,
});

const missing_page = () => page({
  path: '/',
  title: 'Không tìm thấy trang – Sở Thông tin Mẫu',
  counted: false,
  main: `      <article>
        <h1>Không tìm thấy trang</h1>
        <p>Địa chỉ này không có trên Cổng thông tin. Mời bạn trở về <a href="/">trang chủ</a>.</p>
      </article>`,
});

function write(path, html) {
  const file = join(options.out, path.endsWith('/') ? `${path}index.html` : path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, html);
}

for (const article of articles) write(article.path, article_page(article));
write('/', home_page());
write('/en/', english_page());
write('/404.html', missing_page());
for (const name of ['style.css', 'widget.css', 'images']) cpSync(join(here, name), join(options.out, name), { recursive: true });
