#include "collector/parse.hpp"

#include "core/hit.hpp"
#include "core/utf8.hpp"

#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/parse_options.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <exception>
#include <system_error>
#include <utility>

namespace luot::collector {
namespace {

namespace json = boost::json;

constexpr std::size_t max_json_depth = 32;
constexpr std::uint32_t max_number = 99'999;
constexpr std::string_view replacement = "\xEF\xBF\xBD";  // U+FFFD
constexpr std::string_view properties_name = "d", property_prefix = "d.";

enum class kind {
    token,    // [A-Za-z0-9_-]; too long or malformed: refused
    address,  // UTF-8; too long or malformed: refused. Its control bytes are core/path's business
    hint,     // cut, control bytes dropped
    text,     // for people: cut, broken UTF-8 replaced, control characters are spaces
    word,     // printable ASCII, all else dropped, cut
    number,   // up to 5 digits, else 0
};

struct field {
    std::string_view name;
    kind is;
    std::size_t max_bytes;
    std::string hit_fields::*text;
    std::uint32_t hit_fields::*number;
};

constexpr std::array<field, 14> fields{{
    {"s", kind::token, 32, &hit_fields::site, nullptr},
    {"p", kind::address, 2000, &hit_fields::page, nullptr},
    {"u", kind::address, 2000, &hit_fields::location, nullptr},
    {"id", kind::token, 64, &hit_fields::id, nullptr},
    {"r", kind::hint, 2000, &hit_fields::referrer, nullptr},
    {"t", kind::text, 500, &hit_fields::title, nullptr},
    {"c", kind::text, 100, &hit_fields::section, nullptr},
    {"n", kind::text, 100, &hit_fields::event, nullptr},
    {"l", kind::word, 35, &hit_fields::language, nullptr},
    {"tab", kind::token, 64, &hit_fields::tab, nullptr},
    {"ip", kind::word, 64, &hit_fields::address, nullptr},
    {"ua", kind::hint, 1000, &hit_fields::agent, nullptr},
    {"w", kind::number, 5, nullptr, &hit_fields::width},
    {"b", kind::number, 5, nullptr, &hit_fields::bot_hint},
}};

const field* find_field(std::string_view name)
{
    const auto found = std::find_if(fields.begin(), fields.end(),
                                    [name](const auto& f) { return f.name == name; });
    return found == fields.end() ? nullptr : &*found;
}

bool is_control(char c)
{
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
}

bool is_token(std::string_view text)
{
    return std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '_' || c == '-';
    });
}

/// Appends a text that can be shown and logged. Whole characters only, up to `max_bytes`.
void append_text(std::string_view value, std::size_t max_bytes, std::string& out)
{
    const auto most = out.size() + max_bytes;
    while (!value.empty()) {
        const std::size_t bytes = utf8::sequence_bytes(value);
        std::string_view shown = value.substr(0, bytes);
        if (bytes == 0)
            shown = replacement;
        else if (is_control(shown[0]) || (shown[0] == '\xC2' && shown[1] < '\xA0'))
            shown = " ";
        if (out.size() + shown.size() > most)
            break;
        out += shown;
        value.remove_prefix(std::max<std::size_t>(bytes, 1));
    }
}

bool is_property_key(std::string_view key)
{
    return !key.empty() && key.size() <= most_property_key_bytes && is_token(key);
}

/// Adds a property to `out`, unless it has no place there.
void add_property(std::string_view key, std::string_view value, std::string& out)
{
    if (!is_property_key(key))
        return;
    std::size_t count = 0;
    for (std::string_view rest = out; !rest.empty(); ++count) {
        const auto known = take_property(rest);
        if (known.substr(0, known.find(property_separator)) == key)
            return;
    }
    if (count == most_properties)
        return;
    const auto before = out.size();
    out.append(key) += property_separator;
    const auto begin = out.size();
    append_text(value, most_property_value_bytes, out);
    if (out.size() == begin)
        out.resize(before);
    else
        out += property_end;
}

std::uint32_t to_number(std::string_view digits)
{
    std::uint32_t value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    const bool whole = error == std::errc{} && end == digits.data() + digits.size();
    return whole && digits.size() <= 5 ? value : 0;
}

/// Puts a decoded value where it belongs. False when the hit must be refused for it.
bool store(const field& f, std::string_view value, hit_fields& out)
{
    switch (f.is) {
        case kind::token:
            if (value.size() > f.max_bytes || !is_token(value))
                return false;
            out.*f.text = value;
            return true;
        case kind::address:
            if (value.size() > f.max_bytes || !utf8::valid(value))
                return false;
            out.*f.text = value;
            return true;
        case kind::hint:
            out.*f.text = value;
            std::erase_if(out.*f.text, is_control);
            (out.*f.text).resize(utf8::cut(out.*f.text, f.max_bytes).size());
            return true;
        case kind::text:
            (out.*f.text).clear();
            append_text(value, f.max_bytes, out.*f.text);
            return true;
        case kind::word:
            out.*f.text = value;
            std::erase_if(out.*f.text, [](char c) { return c <= 0x20 || c >= 0x7F; });
            (out.*f.text).resize(std::min((out.*f.text).size(), f.max_bytes));
            return true;
        case kind::number:
            out.*f.number = to_number(value);
            return true;
    }
    return false;
}

int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/// Decodes a value of a form. Answers whether no escape was broken; a broken one stays as it is.
bool decode(std::string_view in, std::string& out)
{
    out.clear();
    bool whole = true;
    for (std::size_t i = 0; i < in.size(); ++i) {
        if (in[i] == '%') {
            const int high = i + 2 < in.size() ? hex_value(in[i + 1]) : -1;
            const int low = i + 2 < in.size() ? hex_value(in[i + 2]) : -1;
            if (high >= 0 && low >= 0) {
                out += static_cast<char>(high * 16 + low);
                i += 2;
                continue;
            }
            whole = false;
        }
        out += in[i] == '+' ? ' ' : in[i];
    }
    return whole;
}

bool store_number(const field& f, double value, hit_fields& out)
{
    out.*f.number = value >= 0 && value < max_number + 1 ? static_cast<std::uint32_t>(value) : 0;
    return true;
}

bool is_surrogate(std::string_view escape, char first, char last)
{
    return escape.size() >= 6 && escape[0] == '\\' && escape[1] == 'u' &&
           (escape[2] == 'd' || escape[2] == 'D') && hex_value(escape[3]) >= hex_value(first) &&
           hex_value(escape[3]) <= hex_value(last);
}

/// A title that a script cut within an emoji ends with half a surrogate pair, and JSON.stringify
/// writes it as it is. Boost.JSON refuses the whole body then: this puts \uFFFD in its place.
/// Answers whether there was any.
bool replace_lone_surrogates(std::string& body)
{
    bool replaced = false;
    for (std::size_t i = 0; i + 1 < body.size(); ++i) {
        if (body[i] != '\\')
            continue;
        const std::string_view rest = std::string_view(body).substr(i);
        if (is_surrogate(rest, '8', 'B') && is_surrogate(rest.substr(6), 'C', 'F')) {
            i += 11;
        } else if (is_surrogate(rest, '8', 'F')) {
            body.replace(i + 2, 4, "FFFD");
            replaced = true;
            i += 5;
        } else {
            ++i;
        }
    }
    return replaced;
}

/// What Boost.JSON calls while it reads a body. Answers false where the hit must be refused, which
/// ends the parsing. A number is taken as it is written: its value may differ in the last digit
/// with the place where it stands.
class body_reader {
public:
    static constexpr std::size_t max_object_size = -1, max_array_size = -1, max_key_size = -1,
                                 max_string_size = -1;
    using error = boost::system::error_code;

    /// `mended`: halves of surrogate pairs were replaced, which no address or token may have.
    body_reader(hit_fields& out, bool mended) : out_(out), mended_(mended)
    {
        value_.clear();
        key_.clear();
    }

    [[nodiscard]] bool has_refused() const noexcept { return refused_; }

    bool on_document_begin(error&) { return true; }
    bool on_document_end(error&) { return true; }
    bool on_object_begin(error&) { return begin(is_properties_); }
    bool on_object_end(std::size_t, error&) { return end(); }
    bool on_array_begin(error&) { return begin(false); }
    bool on_array_end(std::size_t, error&) { return end(); }

    bool on_key_part(std::string_view s, std::size_t, error&) { return append(s); }
    bool on_key(std::string_view s, std::size_t, error&)
    {
        const auto name = whole(s);
        field_ = depth_ == 1 ? find_field(name) : nullptr;
        is_properties_ = depth_ == 1 && name == properties_name;
        key_.clear();
        if (depth_ == 2 && in_properties_ && is_property_key(name))
            key_ = name;
        value_.clear();
        return true;
    }

    bool on_string_part(std::string_view s, std::size_t, error&) { return append(s); }
    bool on_string(std::string_view s, std::size_t, error&)
    {
        return key_.empty() ? take([&] { return store(*field_, whole(s), out_); })
                            : take_property_value(whole(s));
    }
    bool on_number_part(std::string_view s, error&) { return append(s); }
    bool on_int64(std::int64_t v, std::string_view s, error&) { return number(v, s); }
    bool on_uint64(std::uint64_t v, std::string_view s, error&) { return number(v, s); }
    bool on_double(double v, std::string_view s, error&) { return number(v, s); }
    bool on_bool(bool is_true, error&)
    {
        return key_.empty() ? take([] { return false; })
                            : take_property_value(is_true ? "true" : "false");
    }
    bool on_null(error&)
    {
        key_.clear();
        return take([&] { return store(*field_, {}, out_); });
    }
    bool on_comment_part(std::string_view, error&) { return true; }
    bool on_comment(std::string_view, error&) { return true; }

private:
    bool begin(bool is_properties)
    {
        refused_ = field_ != nullptr;  // none is an object or an array
        if (depth_ == 1)
            in_properties_ = is_properties;
        key_.clear();
        ++depth_;
        return !refused_;
    }

    bool end()
    {
        --depth_;
        return true;
    }

    bool append(std::string_view s)
    {
        value_ += s;
        return true;
    }

    /// A key or value that came in one piece needs no copy.
    std::string_view whole(std::string_view last_piece)
    {
        if (value_.empty())
            return last_piece;
        value_ += last_piece;
        return value_;
    }

    template <class Number>
    bool number(Number value, std::string_view s)
    {
        if (!key_.empty())
            return take_property_value(whole(s));
        return take([&] {
            return field_->is == kind::number
                       ? store_number(*field_, static_cast<double>(value), out_)
                       : store(*field_, whole(s), out_);
        });
    }

    template <class Store>
    bool take(Store store_value)
    {
        if (field_ != nullptr) {
            const bool strict = field_->is == kind::address || field_->is == kind::token;
            refused_ =
                !store_value() ||
                (mended_ && strict && (out_.*field_->text).find(replacement) != std::string::npos);
            field_ = nullptr;
        }
        value_.clear();
        return !refused_;
    }

    bool take_property_value(std::string_view value)
    {
        add_property(key_, value, out_.properties);
        key_.clear();
        value_.clear();
        return true;
    }

    hit_fields& out_;
    const bool mended_;
    bool refused_ = false;
    int depth_ = 0;
    const field* field_ = nullptr;
    bool is_properties_ = false;  ///< the value to come is what `d` says
    bool in_properties_ = false;  ///< it is an object, and we are in it
    std::string& value_ = pieces();
    std::string& key_ = property_key();  ///< of the value to come, if that is a property

    static std::string& pieces()
    {
        thread_local std::string text;
        return text;
    }

    static std::string& property_key()
    {
        thread_local std::string key;
        return key;
    }
};

error_code parse_json(std::string_view body, bool mended, hit_fields& out)
{
    json::parse_options options;
    options.max_depth = max_json_depth;
    options.allow_invalid_utf8 = true;  // store() knows where it matters
    json::basic_parser<body_reader> parser(options, out, mended);
    boost::system::error_code error;
    const auto read = parser.write_some(false, body.data(), body.size(), error);
    if (!error && read == body.size())
        return {};
    if (mended || parser.handler().has_refused())
        return errc::bad_request;
    std::string copy(body);
    out.clear();
    return replace_lone_surrogates(copy) ? parse_json(copy, true, out) : errc::bad_request;
}

}  // namespace

void hit_fields::clear() noexcept
{
    for (const field& f : fields) {
        if (f.text != nullptr)
            (this->*f.text).clear();
        else
            this->*f.number = 0;
    }
    properties.clear();
}

error_code parse_query(std::string_view query, hit_fields& out)
{
    thread_local std::string decoded;
    std::array<bool, fields.size()> seen{};
    out.clear();
    while (!query.empty()) {
        const std::size_t size = std::min(query.find('&'), query.size());
        const std::string_view pair = query.substr(0, size);
        query.remove_prefix(std::min(size + 1, query.size()));

        const std::size_t equals = std::min(pair.find('='), pair.size());
        const auto name = pair.substr(0, equals);
        const auto value = pair.substr(std::min(equals + 1, pair.size()));
        if (name.starts_with(property_prefix)) {
            (void)decode(value, decoded);
            add_property(name.substr(property_prefix.size()), decoded, out.properties);
            continue;
        }
        const field* f = find_field(name);
        if (f == nullptr || std::exchange(seen[static_cast<std::size_t>(f - fields.data())], true))
            continue;
        const bool whole = decode(value, decoded);
        const bool strict = f->is == kind::address || f->is == kind::token;
        if ((strict && !whole) || !store(*f, decoded, out))
            return errc::bad_request;
    }
    if (out.event.empty())
        out.properties.clear();
    return {};
}

error_code parse_body(std::string_view body, hit_fields& out)
{
    const std::size_t first = body.find_first_not_of(" \t\r\n");
    if (first == std::string_view::npos || body[first] != '{')
        return parse_query(body, out);
    out.clear();
    try {
        const auto error = parse_json(body, false, out);
        if (out.event.empty())
            out.properties.clear();
        return error;
    } catch (const std::exception&) {  // no memory: one hit is refused, the process lives
        return errc::bad_request;
    }
}

}  // namespace luot::collector
