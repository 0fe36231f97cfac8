#include "import/foreign_totals.hpp"

#include "core/bytes.hpp"
#include "core/path.hpp"

#include <algorithm>
#include <optional>
#include <string_view>
#include <unordered_set>
#include <utility>

namespace luot::importer {

namespace {

constexpr std::uint64_t most_views = 1ULL << 53;  // beyond, numbers in Redis are no longer exact
constexpr std::size_t most_pages = 1'000'000;     // more are made up: no site may have so many
constexpr std::string_view hits_column = "hitstotal";
constexpr std::string_view no_session = "00000000-0000-0000-0000-000000000000";

using row_cells = std::vector<std::string>;

std::string lower(std::string_view text)
{
    std::string out(text);
    for (char& c : out)
        if (c >= 'A' && c <= 'Z')
            c = static_cast<char>(c + ('a' - 'A'));
    return out;
}

std::optional<std::size_t> column(const row_cells& heading, std::string_view name)
{
    for (std::size_t i = 0; i < heading.size(); ++i)
        if (lower(heading[i]) == name)
            return i;
    return std::nullopt;
}

/// The version before the name of the first column, as in "2Path".
std::optional<unsigned> goatcounter_version(const row_cells& heading)
{
    if (heading.empty() || heading[0].size() != 5 || lower(heading[0]).substr(1) != "path" ||
        heading[0][0] < '0' || heading[0][0] > '9')
        return std::nullopt;
    return static_cast<unsigned>(heading[0][0] - '0');
}

/// A row is a hit. Bots and events are no views; a page that cannot be one of this site is counted
/// for the site alone: it is what some client said.
class goatcounter final : public foreign_totals {
public:
    goatcounter(const row_cells& heading, const site_config& site, bool first_visits_only)
        : site_(site),
          first_visits_only_(first_visits_only),
          columns_(heading.size()),
          event_(column(heading, "event")),
          bot_(column(heading, "bot")),
          session_(column(heading, "session")),
          first_visit_(column(heading, "firstvisit"))
    {
    }

    [[nodiscard]] bool has_all_columns() const
    {
        return event_ && bot_ && session_ && first_visit_;
    }

    std::string take(const csv_record& row) override
    {
        const auto& cells = row.cells;
        if (cells.size() != columns_)
            return "the row has not as many columns as the heading";
        bool is_event = false, is_first = false;
        std::uint64_t bot = 0;
        if (!read_bool(cells[*event_], is_event) || !read_bool(cells[*first_visit_], is_first) ||
            (!cells[*bot_].empty() && !parse_number(cells[*bot_], bot)))
            return "Event and FirstVisit are true or false, and Bot is a number";
        if (bot != 0) {
            ++bots_;
        } else if (is_event) {
            ++events_;
        } else if (first_visits_only_ && !is_first) {
            ++repeats_;
        } else {
            return count(cells[0], cells[*session_]);
        }
        return {};
    }

    page_totals sum() const override
    {
        auto out = totals_;
        out.visits = sessions_.size();
        return out;
    }

    std::string left_out() const override
    {
        std::string out;
        const auto add = [&out](std::uint64_t count, std::string_view what) {
            if (count > 0)
                out += (out.empty() ? "" : ", ") + std::to_string(count) + std::string(what);
        };
        add(bots_, " hits of bots left out");
        add(events_, " events left out");
        add(repeats_, " later hits of a session on the same page left out");
        add(elsewhere_, " views of no page of this site, counted for the site alone");
        return out;
    }

private:
    static bool read_bool(std::string_view text, bool& out)
    {
        out = text == "true" || text == "1";
        return out || text == "false" || text == "0";
    }

    std::string count(std::string_view address, const std::string& session)
    {
        ++totals_.views;
        if (!session.empty() && session != no_session)
            sessions_.insert(checksum(session));
        std::string path;
        if (normalise_page(address, site_, {}, path, nullptr)) {
            ++elsewhere_;
            return {};
        }
        ++totals_.pages[path];
        return totals_.pages.size() > most_pages ? "these are more than a million different paths"
                                                 : std::string{};
    }

    const site_config& site_;
    const bool first_visits_only_;
    const std::size_t columns_;
    const std::optional<std::size_t> event_, bot_, session_, first_visit_;
    page_totals totals_;
    std::unordered_set<std::uint64_t> sessions_;
    std::uint64_t bots_ = 0, events_ = 0, repeats_ = 0, elsewhere_ = 0;
};

/// A row is an article.
class articles final : public foreign_totals {
public:
    /// `wrong` is set when the address cannot be made.
    articles(const row_cells& heading, const site_config& site, const std::string& pattern,
             std::string& wrong)
        : site_(site),
          columns_(heading.size()),
          hits_(*column(heading, hits_column)),
          is_whole_address_(pattern.empty())
    {
        if (pattern.empty()) {
            for (const std::string_view name : {"link", "url", "path"})
                if (const auto found = column(heading, name); found && parts_.empty())
                    parts_ = {{"", found}};
            if (parts_.empty())
                wrong =
                    "there is no column link: say by --url-pattern how an article's address is "
                    "made of the columns, such as \"/{catalias}/{alias}-{id}.html\"";
            return;
        }
        std::string_view rest = pattern;
        while (!rest.empty()) {
            const auto open = rest.find('{');
            const auto close = rest.find('}', std::min(open, rest.size()));
            auto& added = parts_.emplace_back();
            added.text = rest.substr(0, open);
            if (open == std::string_view::npos)
                return;
            const auto name = rest.substr(open + 1, close - open - 1);
            if (close == std::string_view::npos || !(added.column = column(heading, lower(name)))) {
                wrong =
                    "the heading has no column for {" + std::string(name) + "} of --url-pattern";
                return;
            }
            rest.remove_prefix(close + 1);
        }
    }

    std::string take(const csv_record& row) override
    {
        if (row.cells.size() != columns_)
            return "the row has not as many columns as the heading";
        std::uint64_t views = 0;
        if (row.cells[hits_] == "NULL" || row.cells[hits_] == "\\N")
            return "hitstotal is NULL: export it as IFNULL(hitstotal, 0)";
        if (!parse_number(row.cells[hits_], views))
            return "hitstotal is a number without points or commas";
        std::string address;
        for (const auto& p : parts_) {
            address += p.text;
            if (!p.column)
                continue;
            const auto& value = row.cells[*p.column];
            if (value.empty())
                return "a column that the address is made of is empty";
            address += is_whole_address_ ? value : escaped(value);
        }
        std::string path;
        if (const auto error = normalise_page(address, site_, {}, path, nullptr))
            return "the address cannot be counted on this site: " + error.message();
        if (!totals_.pages.emplace(path, views).second)
            return "the address is there twice: after normalising it is " + path;
        totals_.views += views;
        return totals_.views > most_views ? "the views of all rows together are too many"
                                          : std::string{};
    }

    page_totals sum() const override { return totals_; }

private:
    /// A text, and the column that follows it.
    struct part {
        std::string text;
        std::optional<std::size_t> column;
    };

    /// A value is part of a path, whatever it holds.
    static std::string escaped(const std::string& value)
    {
        std::string out;
        for (const char c : value) {
            if (c == '%')
                out += "%25";
            else if (c == '?')
                out += "%3F";
            else if (c == '#')
                out += "%23";
            else
                out += c;
        }
        return out;
    }

    const site_config& site_;
    const std::size_t columns_, hits_;
    const bool is_whole_address_;
    std::vector<part> parts_;
    page_totals totals_;
};

}  // namespace

bool is_foreign(const row_cells& heading)
{
    return goatcounter_version(heading) || column(heading, hits_column);
}

std::unique_ptr<foreign_totals> open_foreign(const row_cells& heading, const site_config& site,
                                             const foreign_options& options, std::string& wrong)
{
    if (const auto version = goatcounter_version(heading)) {
        auto out = std::make_unique<goatcounter>(heading, site, options.first_visits_only);
        if (*version != 1 && *version != 2)
            wrong = "GoatCounter's exports of versions 1 and 2 are known, this is another one";
        else if (!out->has_all_columns())
            wrong = "an export of GoatCounter has columns Event, Bot, Session and FirstVisit";
        else
            return out;
        return nullptr;
    }
    auto out = std::make_unique<articles>(heading, site, options.url_pattern, wrong);
    return wrong.empty() ? std::move(out) : nullptr;
}

}  // namespace luot::importer
