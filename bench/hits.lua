-- What wrk sends: hits on the 1,000 pages of each of three sites, by 6,000 readers behind a proxy, all equally
-- likely, every hit with an id of its own, in the fields and lengths that luot.js sends. The same bytes for every server
-- that is measured. One thread of wrk only.
--
-- LUOT_BENCH_WAY=get     GET /hit.gif (default);  post: POST /hit with JSON
-- LUOT_BENCH_PAUSE=N     milliseconds between an answer and the next hit of its connection, in tenths on
--                        average (default 0)

local way = os.getenv('LUOT_BENCH_WAY') or 'get'
local pause = tonumber(os.getenv('LUOT_BENCH_PAUSE') or '0')

local sites = { 'skhcn', 'bao', 'thu-vien' }
local titles = {
  'T%C3%A1c%20gi%E1%BA%A3%20ng%C6%B0%E1%BB%9Di%20H%C3%A0%20T%C4%A9nh%20%C4%91o%E1%BA%A1t%20gi%E1%BA%A3i%20nh%E1%BA%A5t',
  'H%E1%BB%99i%20ngh%E1%BB%8B%20t%E1%BB%95ng%20k%E1%BA%BFt%20n%C4%83m%202021',
  'Th%C3%B4ng%20b%C3%A1o%20l%E1%BB%8Bch%20ti%E1%BA%BFp%20c%C3%B4ng%20d%C3%A2n',
}
local plain_titles = {
  'Tác giả người Hà Tĩnh đoạt giải nhất', 'Hội nghị tổng kết năm 2021', 'Thông báo lịch tiếp công dân',
}
local referrers = {
  'https%3A%2F%2Fwww.google.com%2F', 'https%3A%2F%2Fl.facebook.com%2Fl.php', '', 'https%3A%2F%2Fcoccoc.com%2Fsearch',
}
local plain_referrers = {
  'https://www.google.com/', 'https://l.facebook.com/l.php', '', 'https://coccoc.com/search',
}
local agents = {
  'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36',
  'Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Mobile Safari/537.36',
  'Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1',
  'Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0',
}

-- Everything but the id is put together beforehand, in 12,000 mixtures: wrk shall be quicker than the servers.
local mixtures = 12000
local before, after = {}, {}

function init()
  math.randomseed(1)
  for i = 1, mixtures do
    local number = math.random(1000)
    local site, page = sites[i % 3 + 1], '/tin-tuc/bai-' .. number .. '.html'
    local title = number % 3 + 1  -- a page has one, as pages have
    local reader = math.random(0, 5999)
    local headers = ' HTTP/1.1\r\nHost: stats.example.vn\r\nUser-Agent: ' .. agents[reader % 4 + 1]
      .. '\r\nAccept: image/avif,image/webp,*/*;q=0.8\r\nAccept-Language: vi-VN,vi;q=0.9,en;q=0.8'
      .. '\r\nAccept-Encoding: gzip, deflate, br\r\nReferer: https://' .. site .. '.example.vn' .. page
      .. '\r\nX-Forwarded-For: 100.64.' .. math.floor(reader / 250) .. '.' .. (1 + reader % 250)
      .. '\r\n'
    if way == 'post' then
      local head = 'POST /hit' .. headers .. 'Origin: https://' .. site
        .. '.example.vn\r\nContent-Type: text/plain;charset=UTF-8\r\nContent-Length: '
      local body = '{"s":"' .. site .. '","p":"' .. page .. '","t":"' .. plain_titles[title] .. '","r":"'
        .. plain_referrers[math.random(4)] .. '","l":"vi","w":412,"id":"'
      before[i] = head .. (#body + 16 + 2) .. '\r\n\r\n' .. body
      after[i] = '"}'
    else
      before[i] = 'GET /hit.gif?s=' .. site .. '&p=' .. page .. '&t=' .. titles[title] .. '&r='
        .. referrers[math.random(4)] .. '&l=vi&w=412&id='
      after[i] = headers .. '\r\n'
    end
  end
  math.randomseed(os.time())
end

local run = string.format('%08x', os.time())
local number = 10000000

function request()
  local hit = math.random(mixtures)
  number = number + 1
  return before[hit] .. run .. number .. after[hit]
end

if pause > 0 then
  function delay()
    return math.floor(pause / 10 + math.random())
  end
end

function done(summary, latency)
  io.write(string.format('\nRESULT {"requests":%d,"microseconds":%d,"failed":%d,"p50_us":%d,"p99_us":%d}\n',
    summary.requests, summary.duration,
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.status + summary.errors.timeout,
    latency:percentile(50), latency:percentile(99)))
end
