#include "import/json_line.hpp"

#include <cstring>
#include <utility>

namespace luot::importer {
namespace {

constexpr std::pair<std::string_view, std::string json_fields::*> names[json_line::field_count] = {
    {"host", &json_fields::host},
    {"client", &json_fields::client},
    {"time", &json_fields::time},
    {"request", &json_fields::request},
    {"method", &json_fields::method},
    {"target", &json_fields::target},
    {"protocol", &json_fields::protocol},
    {"status", &json_fields::status},
    {"bytes", &json_fields::bytes},
    {"referrer", &json_fields::referrer},
    {"user_agent", &json_fields::user_agent},
};

constexpr int max_depth = 32;

bool is_space(char c) noexcept
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

}  // namespace

json_fields json_fields::caddy()
{
    json_fields f;
    f.host = "request.host";
    f.client = "request.remote_ip";
    f.time = "ts";
    f.request.clear();
    f.method = "request.method";
    f.target = "request.uri";
    f.protocol = "request.proto";
    f.bytes = "size";
    f.referrer = "request.headers.Referer";
    f.user_agent = "request.headers.User-Agent";
    return f;
}

json_fields json_fields::traefik()
{
    json_fields f;
    f.host = "RequestHost";
    f.client = "ClientHost";
    f.time = "StartUTC";
    f.request.clear();
    f.method = "RequestMethod";
    f.target = "RequestPath";
    f.protocol = "RequestProtocol";
    f.status = "DownstreamStatus";
    f.bytes = "DownstreamContentSize";
    f.referrer = "request_Referer";
    f.user_agent = "request_User-Agent";
    return f;
}

bool json_fields::set(std::string_view field, std::string_view path)
{
    for (const auto& [name, member] : names) {
        if (name == field) {
            this->*member = path;
            return true;
        }
    }
    return false;
}

/// Goes through a line once. After the first false nothing it holds is of use.
class json_line::scanner {
public:
    scanner(std::string_view line, unescaper& undone, json_line& out) noexcept
        : at_(line.data()), end_(line.data() + line.size()), undone_(undone), out_(out)
    {
    }

    bool line() noexcept
    {
        if (!object(out_.wanted_, 0, 0))
            return false;
        next();
        return at_ == end_;
    }

private:
    /// The next byte that is no space, which stays; 0 at the end. (A byte that is 0 is nowhere
    /// allowed either.)
    char next() noexcept
    {
        while (at_ != end_ && is_space(*at_))
            ++at_;
        return at_ == end_ ? '\0' : *at_;
    }

    bool take(char c) noexcept
    {
        if (next() != c || at_ == end_)
            return false;
        ++at_;
        return true;
    }

    /// A string, as it is written: without its quotes, with its escapes.
    bool string(std::string_view& out) noexcept
    {
        if (!take('"'))
            return false;
        const char* const begin = at_;
        while (true) {
            const auto* const quote = static_cast<const char*>(
                std::memchr(at_, '"', static_cast<std::size_t>(end_ - at_)));
            if (quote == nullptr)
                return false;
            const char* backslash = quote;
            while (backslash != begin && backslash[-1] == '\\')
                --backslash;
            at_ = quote + 1;
            if ((quote - backslash) % 2 == 0) {
                out = {begin, static_cast<std::size_t>(quote - begin)};
                return true;
            }
        }
    }

    /// A number, true, false or null, as it is written.
    bool literal(std::string_view& out) noexcept
    {
        const char* const begin = at_;
        while (at_ != end_ && std::strchr(",]}:\"[{", *at_) == nullptr && !is_space(*at_))
            ++at_;
        out = {begin, static_cast<std::size_t>(at_ - begin)};
        return !out.empty();
    }

    /// Passes over an object or array, however deep: no recursion.
    bool skip_nested() noexcept
    {
        std::size_t open = 0;
        std::string_view ignored;
        while (const char c = next()) {
            if (c == '"') {
                if (!string(ignored))
                    return false;
                continue;
            }
            ++at_;
            if (c == '{' || c == '[')
                ++open;
            else if ((c == '}' || c == ']') && --open == 0)
                return true;
        }
        return false;
    }

    /// An object in which the paths in `wanted` go on behind their first `known` bytes.
    bool object(unsigned wanted, std::size_t known, int depth) noexcept
    {
        if (!take('{'))
            return false;
        if (take('}'))
            return true;
        do {
            std::string_view name;
            if (!string(name) || !take(':'))
                return false;
            name = undone_.undo(name, escapes::json);
            unsigned here = 0, below = 0;
            for (unsigned f = 0; f < field_count; ++f) {
                if ((wanted >> f & 1U) == 0)
                    continue;
                const auto rest = std::string_view(out_.paths_[f]).substr(known);
                if (!rest.starts_with(name))
                    continue;
                if (rest.size() == name.size())
                    here |= 1U << f;
                else if (rest[name.size()] == '.')
                    below |= 1U << f;
            }
            if (!value(here, below, known + name.size() + 1, depth))
                return false;
        } while (take(','));
        return take('}');
    }

    bool value(unsigned here, unsigned below, std::size_t known, int depth) noexcept
    {
        const char c = next();
        if (c == '{')
            return below != 0 && depth < max_depth ? object(below, known, depth + 1)
                                                   : skip_nested();
        if (c == '[')
            return here != 0 ? array(here) : skip_nested();
        std::string_view text;
        if (!scalar(text, here != 0))
            return false;
        store(here, text);
        return true;
    }

    /// The first value of an array that is wanted.
    bool array(unsigned here) noexcept
    {
        const char* const begin = at_;
        if (!take('['))
            return false;
        const char c = next();
        if (c != ']' && c != '[' && c != '{') {
            std::string_view first;
            if (!scalar(first, true))
                return false;
            store(here, first);
        }
        at_ = begin;
        return skip_nested();
    }

    bool scalar(std::string_view& out, bool wanted) noexcept
    {
        if (next() == '"') {
            if (!string(out))
                return false;
            if (wanted)
                out = undone_.undo(out, escapes::json);
            return true;
        }
        if (!literal(out))
            return false;
        if (out == "null")
            out = {};
        return true;
    }

    void store(unsigned here, std::string_view text) noexcept
    {
        for (unsigned f = 0; here != 0; ++f, here >>= 1)
            if ((here & 1U) != 0)
                out_.values_[f] = text;
    }

    const char* at_;
    const char* const end_;
    unescaper& undone_;
    json_line& out_;
};

json_line::json_line(const json_fields& where)
{
    for (unsigned f = 0; f < field_count; ++f) {
        paths_[f] = where.*names[f].second;
        if (!paths_[f].empty())
            wanted_ |= 1U << f;
    }
}

bool json_line::read(std::string_view line, unescaper& undone) noexcept
{
    values_ = {};
    return scanner(line, undone, *this).line();
}

}  // namespace luot::importer
