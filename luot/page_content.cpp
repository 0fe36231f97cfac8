#include "luot/page_content.hpp"

#include "core/utf8.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>

namespace luot {

namespace {

constexpr std::size_t most_tags = 1000, most_attributes = 100, most_policies = 100,
                      most_text_bytes = 2000;

char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}

std::string lower(std::string_view text)
{
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(), [](char c) { return lower(c); });
    return out;
}

bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\f' || c == '\r';
}

bool is_letter(char c)
{
    return lower(c) >= 'a' && lower(c) <= 'z';
}

std::string_view trim(std::string_view text)
{
    while (!text.empty() && is_space(text.front()))
        text.remove_prefix(1);
    while (!text.empty() && is_space(text.back()))
        text.remove_suffix(1);
    return text;
}

void append_utf8(std::uint32_t point, std::string& out)
{
    if (point == 0 || point > 0x10FFFF || (point >= 0xD800 && point < 0xE000))
        point = 0xFFFD;
    if (point < 0x80) {
        out += static_cast<char>(point);
    } else if (point < 0x800) {
        out += static_cast<char>(0xC0 | point >> 6);
        out += static_cast<char>(0x80 | (point & 63));
    } else if (point < 0x10000) {
        out += static_cast<char>(0xE0 | point >> 12);
        out += static_cast<char>(0x80 | (point >> 6 & 63));
        out += static_cast<char>(0x80 | (point & 63));
    } else {
        out += static_cast<char>(0xF0 | point >> 18);
        out += static_cast<char>(0x80 | (point >> 12 & 63));
        out += static_cast<char>(0x80 | (point >> 6 & 63));
        out += static_cast<char>(0x80 | (point & 63));
    }
}

/// Replaces the references that addresses and titles have; others stay as they are.
std::string decoded(std::string_view text)
{
    constexpr std::pair<std::string_view, char> named[] = {
        {"amp", '&'}, {"lt", '<'}, {"gt", '>'}, {"quot", '"'}, {"apos", '\''}};
    std::string out;
    while (!text.empty()) {
        const auto ampersand = text.find('&');
        out += text.substr(0, ampersand);
        if (ampersand == std::string_view::npos)
            break;
        text.remove_prefix(ampersand + 1);
        const auto name = text.substr(0, std::min<std::size_t>(text.find(';'), 10));
        bool is_known = false;
        if (text.size() > name.size() && text[name.size()] == ';') {
            if (name.starts_with('#')) {
                const bool is_hex = name.size() > 1 && lower(name[1]) == 'x';
                const auto digits = name.substr(is_hex ? 2 : 1);
                std::uint32_t point = 0;
                const auto [end, error] = std::from_chars(
                    digits.data(), digits.data() + digits.size(), point, is_hex ? 16 : 10);
                is_known =
                    !digits.empty() && error == std::errc{} && end == digits.data() + digits.size();
                if (is_known)
                    append_utf8(point, out);
            } else {
                for (const auto& [known, character] : named)
                    if (known == name) {
                        out += character;
                        is_known = true;
                    }
            }
        }
        if (is_known)
            text.remove_prefix(name.size() + 1);
        else
            out += '&';
    }
    return out;
}

/// A start or end tag.
struct tag {
    std::string name;
    bool is_end = false;
    std::vector<std::pair<std::string, std::string>> attributes;

    [[nodiscard]] const std::string* find(std::string_view wanted) const
    {
        for (const auto& [key, value] : attributes)
            if (key == wanted)
                return &value;
        return nullptr;
    }
    [[nodiscard]] std::string get(std::string_view wanted) const
    {
        const auto* found = find(wanted);
        return found == nullptr ? std::string{} : *found;
    }
};

/// Reads tags one by one, as the tokenizer of HTML cuts them.
class tag_reader {
public:
    explicit tag_reader(std::string_view html) : rest_(html) {}

    /// The next tag; false at the end.
    bool next(tag& out)
    {
        for (;;) {
            const auto open = rest_.find('<');
            if (open == std::string_view::npos)
                return false;
            rest_.remove_prefix(open + 1);
            if (rest_.starts_with("!--")) {
                skip_comment();
            } else if (rest_.starts_with('!') || rest_.starts_with('?')) {
                skip_behind('>');
            } else if (rest_.starts_with('/') && rest_.size() > 1 && is_letter(rest_[1])) {
                rest_.remove_prefix(1);
                read(out, true);
                return true;
            } else if (!rest_.empty() && is_letter(rest_[0])) {
                read(out, false);
                return true;
            }
        }
    }

    /// The raw text up to the end tag of this name, which is left to be read.
    std::string_view raw_text(std::string_view name)
    {
        for (std::size_t at = 0;;) {
            at = rest_.find("</", at);
            if (at == std::string_view::npos)
                break;
            const auto behind = rest_.substr(at + 2);
            if (behind.size() > name.size() && lower(behind.substr(0, name.size())) == name &&
                (is_space(behind[name.size()]) || behind[name.size()] == '>' ||
                 behind[name.size()] == '/')) {
                const auto text = rest_.substr(0, at);
                rest_.remove_prefix(at);
                return text;
            }
            at += 2;
        }
        const auto text = rest_;
        rest_ = {};
        return text;
    }

    [[nodiscard]] bool has_tag_in_comment() const noexcept { return has_tag_in_comment_; }

private:
    void skip_behind(char c) { rest_.remove_prefix(std::min(rest_.find(c), rest_.size() - 1) + 1); }

    void skip_comment()
    {
        rest_.remove_prefix(3);
        if (rest_.starts_with('>') || rest_.starts_with("->")) {  // "<!-->": an empty one
            rest_.remove_prefix(rest_.find('>') + 1);
            return;
        }
        // One search for both ends: of many comments each is read once.
        auto end = rest_.find("--");
        const auto is_end = [this](std::size_t at, std::string_view what) {
            return rest_.substr(at + 2).starts_with(what);
        };
        while (end != std::string_view::npos && !is_end(end, ">") && !is_end(end, "!>"))
            end = rest_.find("--", end + 1);
        const auto text = rest_.substr(0, end);
        const auto size =
            end == std::string_view::npos ? rest_.size() : end + (is_end(end, ">") ? 3 : 4);
        if (text.find("data-site") != std::string_view::npos &&
            text.find("<script") != std::string_view::npos)
            has_tag_in_comment_ = true;
        rest_.remove_prefix(size);
    }

    void read(tag& out, bool is_end)
    {
        out.is_end = is_end;
        out.attributes.clear();
        std::size_t size = 0;
        while (size < rest_.size() && !is_space(rest_[size]) && rest_[size] != '/' &&
               rest_[size] != '>')
            ++size;
        out.name = lower(rest_.substr(0, std::min<std::size_t>(size, 50)));
        rest_.remove_prefix(size);
        for (;;) {
            while (!rest_.empty() && (is_space(rest_[0]) || rest_[0] == '/'))
                rest_.remove_prefix(1);
            if (rest_.empty())
                return;
            if (rest_[0] == '>') {
                rest_.remove_prefix(1);
                return;
            }
            read_attribute(out);
        }
    }

    void read_attribute(tag& out)
    {
        std::size_t size = 1;  // an "=" at the beginning is part of the name
        while (size < rest_.size() && !is_space(rest_[size]) && rest_[size] != '/' &&
               rest_[size] != '>' && rest_[size] != '=')
            ++size;
        const auto name = rest_.substr(0, size);
        rest_.remove_prefix(size);
        auto behind = rest_;
        while (!behind.empty() && is_space(behind[0]))
            behind.remove_prefix(1);
        std::string_view value;
        if (behind.starts_with('=')) {
            behind.remove_prefix(1);
            while (!behind.empty() && is_space(behind[0]))
                behind.remove_prefix(1);
            if (behind.starts_with('"') || behind.starts_with('\'')) {
                const auto end = std::min(behind.find(behind[0], 1), behind.size());
                value = behind.substr(1, end - 1);
                behind.remove_prefix(std::min(end + 1, behind.size()));
            } else {
                std::size_t end = 0;
                while (end < behind.size() && !is_space(behind[end]) && behind[end] != '>')
                    ++end;
                value = behind.substr(0, end);
                behind.remove_prefix(end);
            }
            rest_ = behind;
        }
        if (out.attributes.size() < most_attributes && name.size() <= 100 &&
            value.size() <= 8 * most_text_bytes) {
            auto key = lower(name);
            if (out.find(key) == nullptr)  // of two the first counts
                out.attributes.emplace_back(std::move(key), decoded(value));
        }
    }

    std::string_view rest_;
    bool has_tag_in_comment_ = false;
};

bool is_raw(std::string_view name)
{
    constexpr std::string_view raw[] = {"script", "style",  "textarea", "title",
                                        "xmp",    "iframe", "noembed",  "noframes"};
    return std::find(std::begin(raw), std::end(raw), name) != std::end(raw);
}

bool has_word(std::string_view words, std::string_view wanted)
{
    while (!words.empty()) {
        words = trim(words);
        const auto word = words.substr(
            0, static_cast<std::size_t>(std::find_if(words.begin(), words.end(), is_space) -
                                        words.begin()));
        if (lower(word) == wanted)
            return true;
        words.remove_prefix(word.size());
    }
    return false;
}

std::string short_text(std::string_view text)
{
    return std::string(utf8::cut(text, most_text_bytes));
}

/// The name of the file that an address has.
std::string_view file_of(std::string_view address)
{
    address = address.substr(0, address.find_first_of("?#"));
    return address.substr(address.rfind('/') + 1);
}

void take_meta(const tag& t, page_content& out)
{
    const auto equiv = lower(t.get("http-equiv")), name = lower(t.get("name"));
    if (equiv == "content-security-policy" && out.content_policies.size() < most_policies)
        out.content_policies.push_back(t.get("content"));
    if (name == "referrer")
        out.referrer_policy = lower(trim(t.get("content")));
    if (t.get("property") == "article:section" && out.section.empty())
        out.section = short_text(t.get("content"));
}

}  // namespace

page_content read_page(std::string_view html)
{
    page_content out;
    tag_reader reader(html);
    tag t;
    unsigned noscripts = 0, templates = 0;
    while (reader.next(t)) {
        const auto depth = [&t](unsigned& d) {
            if (!t.is_end)
                ++d;
            else if (d > 0)
                --d;
        };
        if (t.name == "noscript")
            depth(noscripts);
        if (t.name == "template")
            depth(templates);
        if (t.is_end)
            continue;
        const auto tag_of = [&] {
            page_tag p;
            p.src = std::string(trim(t.get("src")));
            p.site = t.get("data-site");
            p.path = t.get("data-path");
            p.visitor = t.get("data-visitor");
            p.type = lower(trim(t.get("type")));
            p.nonce = t.get("nonce");
            p.integrity = t.get("integrity");
            p.referrer_policy = lower(trim(t.get("referrerpolicy")));
            p.is_deferred = t.find("defer") != nullptr || t.find("async") != nullptr;
            p.is_nomodule = t.find("nomodule") != nullptr;
            p.in_noscript = noscripts > 0;
            p.in_template = templates > 0;
            return p;
        };
        const auto src = t.get("src");
        if (t.name == "script" && (t.find("data-site") != nullptr || file_of(src) == "luot.js")) {
            if (out.scripts.size() < most_tags)
                out.scripts.push_back(tag_of());
        } else if (t.name == "script" && src.find("googletagmanager.com/gtm") != src.npos) {
            out.has_tag_manager = true;
        } else if (t.name == "img" && file_of(src) == "hit.gif") {
            if (out.pixels.size() < most_tags)
                out.pixels.push_back(tag_of());
        } else if (t.name == "link" && has_word(t.get("rel"), "canonical") &&
                   out.canonical.empty()) {
            out.canonical = std::string(trim(t.get("href")));
        } else if (t.name == "base" && out.base.empty()) {
            out.base = std::string(trim(t.get("href")));
        } else if (t.name == "meta") {
            take_meta(t, out);
        }
        if (is_raw(t.name)) {
            const auto text = reader.raw_text(t.name);
            if (t.name == "title" && out.title.empty())
                out.title = short_text(decoded(trim(text.substr(0, 8 * most_text_bytes))));
            if (t.name == "script" && text.find("googletagmanager.com/gtm") != text.npos)
                out.has_tag_manager = true;
        }
    }
    out.has_tag_in_comment = reader.has_tag_in_comment();
    return out;
}

bool is_script_type(std::string_view type)
{
    constexpr std::string_view types[] = {"",
                                          "module",
                                          "text/javascript",
                                          "application/javascript",
                                          "application/x-javascript",
                                          "text/ecmascript",
                                          "application/ecmascript"};
    const auto name = lower(trim(type));
    return std::find(std::begin(types), std::end(types), name) != std::end(types);
}

}  // namespace luot
