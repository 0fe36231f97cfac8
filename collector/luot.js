// luot.js: the script for pages. Counts a view of the page and fills in the numbers it shows.
//
//   <script defer src="https://stats.example.vn/luot.js" data-site="skhcn"></script>
//
// ES5 syntax, every feature tested before use, no inline style or script, at most 2 kB gzipped once
// minified (tests/browser/script.test.mjs). All addresses are relative to this script's own. The rule
// above all others: whatever happens here, the page notices nothing. Every function that the browser
// calls is wrapped by safe(), so that window.onerror never sees us.
(function (window, document) {
  function safe(run) {
    return function () {
      try {
        return run.apply(this, arguments);
      } catch (ignored) {}
    };
  }

  function find(selector) {
    return document.querySelector(selector);
  }

  safe(function () {
    var script = document.currentScript || find('[data-site][src*=luot]');
    var site = script.dataset.site;
    var base = script.src.replace(/[^\/]*([?#].*)?$/, '');
    var page_language = document.documentElement.lang || 'vi';
    var pending = {};  // id -> body of the hits that no answer has come for
    var place;         // path and query of the newest view
    var address;       // its address without fragment: the referrer of a single-page site's next view
    var stated;        // what data-path or the canonical link said at the newest view
    var newest;        // id of the newest view's hit: only its answer may fill in numbers
    var timer;         // of a view that is about to be counted

    function listen(target, event, run) {
      target.addEventListener(event, safe(run));
    }

    // ---- what goes over the wire -------------------------------------------------------------

    // done(status, parsed answer); status 0: no answer. Text needs no preflight; no cookies. Without an
    // answer, or with a server's error: once more, after what Retry-After asks for up to 10 s, spread so
    // that the readers of a site do not come back all at once. Then by XMLHttpRequest: pages have broken
    // polyfills of fetch.
    function ask(route, body, done, again) {
      var request;
      var heard = safe(function (status, text, wait) {
        if (again || status && status < 500) {
          done(status, safe(JSON.parse)(text) || {});
        } else {
          setTimeout(function () {
            ask(route, body, done, 1);
          }, (Math.min(+wait || 2, 10) + Math.random()) * 1e3);
        }
      });
      try {
        if (window.fetch && !again) {
          fetch(base + route, {
            method: 'POST',
            body: body,
            credentials: 'omit',
            keepalive: route == 'hit'  // browsers bound what they keep alive: hits are small
          }).then(function (answer) {
            return answer.text().then(function (text) {
              heard(answer.status, text, answer.headers.get('Retry-After'));
            });
          })['catch'](heard);  // an Error is no status: no answer
        } else {
          request = new XMLHttpRequest();
          request.open('POST', base + route);
          request.onload = request.onerror = function () {
            heard(request.status, request.responseText);
          };
          request.send(body);
        }
      } catch (forbidden) {
        heard(0);
      }
    }

    // ---- the hit -----------------------------------------------------------------------------

    // A lone "%" is what people type, but no address. The server takes 2,000 bytes: of a longer address
    // the values that are too long to name a page go, the identifiers of advertisers.
    function mend(address) {
      if (address[2e3]) address = address.replace(/=[^?&]{500,}/g, '=');
      return address.replace(/%(?![\da-f]{2})/gi, '%25');
    }

    function here() {
      return mend(location.pathname + location.search);
    }

    // As much as the server keeps. A form named "title" makes document.title an element.
    function cut(text, most) {
      return text.slice ? text.slice(0, most) : '';
    }

    // `referrer` is given when a single-page site moved on and no new document was loaded.
    function view(referrer) {
      var id = newest = ('' + Math.random() + Math.random()).replace(/\W/g, '');
      var link = find('link[rel=canonical]');
      var section = find('meta[property="article:section"]');
      var said = script.dataset.path || link && link.href;
      var own = place = here();
      var fields;

      // What did not move with the page is about the page before.
      if (said && !(referrer && said == stated)) own = mend(said);
      stated = said;
      address = location.href.split('#')[0];  // a fragment is never sent: it may hold a secret

      fields = {
        s: site,
        p: own,
        u: own == place || place[2e3] ? '' : place,
        id: id,
        r: cut(referrer || document.referrer, 2e3),
        t: cut(document.title, 500),
        l: navigator.language,
        w: screen.width,
        b: navigator.webdriver ? 1 : 0,
        // Nothing is kept in the browser but where the site asks for it; where it may not be kept
        // the server goes by the address.
        tab: script.dataset.visitor == 'tab' && safe(function () {
          return sessionStorage.luot = sessionStorage.luot || id;
        })() || '',
        c: section ? section.content : ''
      };

      ask('hit', pending[id] = JSON.stringify(fields), function (status, answer) {
        var image;
        function answered() {
          delete pending[id];
          // A refused hit is told no path. Of a page elsewhere the site has no numbers: of this one then.
          if (id == newest) read(answer.path ||
            /^http/.test(own) && own.indexOf(location.host) < 0 && fields.u || own, answer.token);
        }
        if (status) return answered();
        // Neither fetch nor XMLHttpRequest got through: they may be missing or forbidden here.
        image = new Image();
        image.onload = safe(answered);
        image.src = base + 'hit.gif?' + Object.keys(fields).map(function (name) {
          // Half an emoji, where a title was cut, cannot be encoded.
          return name + '=' + (safe(encodeURIComponent)(fields[name]) || '');
        }).join('&');
      });
    }

    // ---- the numbers -------------------------------------------------------------------------

    function put(element, number, language) {
      // Not known: the element keeps what it holds.
      if (number !== +number) return;
      element.textContent = element.dataset.format == 'plain' ? number :
        // Only a browser that knows locales writes this one so.
        safe(function () {
          return (1e3).toLocaleString('de')[1] == '.' && number.toLocaleString(language);
        })() || ('' + number).replace(/\B(?=(\d{3})+$)/g, /^en/i.test(language) ? ',' : '.');
    }

    // What fails for one element is nothing to the others.
    function each(selector, run) {
      [].forEach.call(document.querySelectorAll(selector), safe(run));
    }

    // The server takes 100 paths and 16 KiB at once: the first ones get their numbers.
    function read(own, token) {
      var id = newest, paths = [], room = 15e3, spans = [], summary = find('[data-luot-widget]') ? 1 : 0;

      each('[data-luot],[data-luot-path]', function (element) {
        // page-views; or site-views, site-visits, site-online, and with -today those of today
        var words = (element.dataset.luot || 'page-views').split('-');
        var path = words.shift() == 'page' && mend(element.dataset.luotPath || own);
        spans.push([element, words, path]);
        if (words[1]) summary = 1;
        if (path && paths.indexOf(path) < 0 && !paths[99]) {
          room -= encodeURI(path).replace(/%../g, 1).length;  // bytes, not characters
          if (room > 0) paths.push(path);
        }
      });

      if (spans[0] || summary) ask('api/v1/counts', JSON.stringify({
        site: site,
        paths: paths,
        after: token,
        summary: summary
      }), function (status, answer) {
        if (id != newest) return;

        // Throws when there is none, as in the answer to an error: the element keeps what it holds.
        function number(words, path) {
          return (path ? answer.pages[path] : words[1] ? answer.summary[words[1]] : answer)[words[0]];
        }

        spans.forEach(safe(function (span) {
          put(span[0], number(span[1], span[2]), page_language);
        }));

        each('[data-luot-widget]', function (element) {
          var language = element.lang || page_language;
          var table = document.createElement('table');
          var title = element.dataset.title;
          var labels = (/^vi/i.test(language) ?
            'Đang truy cập|Hôm nay|Hôm qua|Tuần này|Tháng này|Tổng lượt truy cập|Tổng số lượt xem' :
            'Online now|Today|Yesterday|This week|This month|Total visits|Total views').split('|');

          table.className = 'luot-widget';
          if (title) table.createCaption().textContent = title;
          'online|visits-today|visits-yesterday|visits-this_week|visits-this_month|visits|views'.split('|')
            .forEach(function (words, i) {
              var row = table.insertRow(), head = document.createElement('th');
              row.className = 'luot-row';
              head.scope = 'row';
              head.textContent = labels[i];
              row.appendChild(head);
              put(row.insertCell(), number(words.split('-')), language);
            });
          element.textContent = '';
          element.appendChild(table);
        });
      });
    }

    // ---- when --------------------------------------------------------------------------------

    // A single-page site went to another path. It may still be writing its title and canonical link,
    // or about to redirect: a moment later both are settled.
    function moved() {
      if (place != (place = here())) {
        clearTimeout(timer);
        timer = setTimeout(safe(arrived), 100);
      }
    }

    function arrived() {
      timer = clearTimeout(timer);
      view(address);
    }

    function wrap(name, then) {
      var original = history[name];
      if (original) history[name] = function () {
        var result = original.apply(this, arguments);
        safe(then)();
        return result;
      };
    }

    function start() {
      var early = document.prerendering ? 'prerenderingchange' :
        document.readyState == 'loading' && 'DOMContentLoaded';
      if (early) return listen(document, early, start);

      view();
      wrap('pushState', moved);
      wrap('replaceState', function () {
        place = here();
      });
      listen(window, 'popstate', moved);
      listen(window, 'pageshow', function (event) {
        if (event.persisted) view();
      });
      // Now or never: a view that waits, and what no answer has come for. Their ids count once.
      listen(window, 'pagehide', function () {
        if (timer) arrived();
        Object.keys(pending).forEach(function (id) {
          navigator.sendBeacon(base + 'hit', pending[id]);
        });
      });
    }

    // Included twice counts once; a page saved to disk is not counted.
    if (site && !window['luot:' + site] && /^http/.test(location)) {
      window['luot:' + site] = 1;
      start();
    }
  })();
})(window, document);
