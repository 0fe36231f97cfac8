// Tables as text: what is written is read back, whatever it holds; what others write is read.

#include "core/csv.hpp"

#include <boost/test/unit_test.hpp>

#include <random>
#include <string>
#include <vector>

namespace csv_test {

using namespace luot;

using rows = std::vector<std::vector<std::string>>;

/// All records of a text that comes in pieces of so many bytes; an error is a row of its own.
rows read(std::string_view text, std::size_t piece = 1 << 20)
{
    csv_reader reader;
    csv_record record;
    rows out;
    for (;;) {
        switch (reader.next(record)) {
            case csv_reader::outcome::record:
                out.push_back(record.cells);
                break;
            case csv_reader::outcome::more:
                reader.feed(text.substr(0, piece));
                text.remove_prefix(std::min(piece, text.size()));
                if (text.empty())
                    reader.finish();
                break;
            case csv_reader::outcome::end:
                return out;
            case csv_reader::outcome::too_long:
                out.push_back({"(too long)", std::to_string(record.line)});
                return out;
            case csv_reader::outcome::open_quote:
                out.push_back({"(open quote)", std::to_string(record.line)});
                return out;
        }
    }
}

std::string text_of(const rows& all)
{
    std::string out;
    for (const auto& row : all) {
        for (const auto& cell : row)
            out += '[' + cell + ']';
        out += '\n';
    }
    return out;
}

BOOST_AUTO_TEST_SUITE(csv)

BOOST_AUTO_TEST_CASE(what_others_write_is_read_in_whatever_pieces_it_comes)
{
    const struct {
        std::string text, wanted;
    } table[] = {
        {"", ""},
        {"\n\r\n\n", ""},
        {"a,b\n1,2\n", "[a][b]\n[1][2]\n"},
        {"a,b\r\n1,2", "[a][b]\n[1][2]\n"},
        {"\xEF\xBB\xBF"
         "a;b\n1,2;3\n",
         "[a][b]\n[1,2][3]\n"},
        {"\n\na\tb c\n1\t2;3,4\n", "[a][b c]\n[1][2;3,4]\n"},
        {"a;b,c\n", "[a;b][c]\n"},
        {"\"a,b\";c\n1,2;3\n", "[a,b][c]\n[1,2][3]\n"},
        {"\"a;b\"\n1,2\n", "[a;b]\n[1][2]\n"},
        {"alone\n1,2\n", "[alone]\n[1][2]\n"},
        {"a,,\n,\n", "[a][][]\n[][]\n"},
        {" a , b\t\n", "[a][b]\n"},
        {"\"a,\"\"b\"\"\",c\n", "[a,\"b\"][c]\n"},
        {"\"a\nb\",\"c\r\nd\"\n2,3\n", "[a\nb][c\r\nd]\n[2][3]\n"},
        {"a,\"\"\n", "[a][]\n"},
        {"'=1+1,'-2,'x,'\n", "[=1+1][-2]['x][']\n"},
        {"''=1,'''@\n", "['=1][''@]\n"},
        {"a,b\n\"open,1\n2\n", "[a][b]\n[(open quote)][2]\n"},
        {"\xEF\xBB", "[\xEF\xBB]\n"},
    };
    for (const auto& row : table)
        for (const std::size_t piece : {1, 2, 3, 1000})
            BOOST_TEST_CONTEXT(row.text << " in pieces of " << piece)
    BOOST_TEST(text_of(read(row.text, piece)) == row.wanted);
}

BOOST_AUTO_TEST_CASE(lines_are_counted_as_an_editor_counts_them)
{
    csv_reader reader;
    csv_record record;
    reader.feed("a,b\n\n\"x\ny\n\",1\r\n\r\nlast,2");
    reader.finish();
    std::string lines;
    while (reader.next(record) == csv_reader::outcome::record)
        lines += std::to_string(record.line) + ' ';
    BOOST_TEST(lines == "1 3 7 ");
}

BOOST_AUTO_TEST_CASE(what_is_written_is_read_back)
{
    const std::string alphabet = "ab,;\"'=+-@\n\r\t1\xC3\xA0";
    std::mt19937 random{20210726};
    for (int run = 0; run < 3000; ++run) {
        rows wanted{{"first", "x"}};
        csv_line line;
        auto text = std::string(utf8_bom) + line.add("first").add("x").take();
        for (auto count = random() % 4; count > 0; --count) {
            auto& row = wanted.emplace_back();
            for (int cells = 2; cells > 0; --cells) {
                std::string cell = "a";  // cells are never blank at their ends here
                for (auto n = random() % 6; n > 0; --n)
                    cell.insert(random() % 2 ? 0 : cell.size() - 1, 1,
                                alphabet[random() % alphabet.size()]);
                while (cell[0] == '\t')
                    cell.erase(0, 1);
                line.add(cell);
                row.push_back(std::move(cell));
            }
            text += line.take();
        }
        BOOST_TEST_REQUIRE(text_of(read(text, 1 + random() % 9)) == text_of(wanted));
    }
}

// A spreadsheet would work out what a reader's made-up address says.
BOOST_AUTO_TEST_CASE(no_text_is_a_formula)
{
    csv_line line;
    BOOST_TEST(line.add("=1").add("+1").add("-1").add("@a").add("'=1").add("'a").take() ==
               "'=1,'+1,'-1,'@a,''=1,'a\n");
    BOOST_TEST(line.add("=HYPERLINK(\"x\",1)").take() == "\"'=HYPERLINK(\"\"x\"\",1)\"\n");
    BOOST_TEST(line.add(std::int64_t{-1}).add_nothing().add("").take() == "-1,,\n");
}

BOOST_AUTO_TEST_CASE(a_record_has_a_bound)
{
    const std::string most(csv_reader::most_bytes, 'x');
    BOOST_TEST(read("a\n" + most + "\n").size() == 2);
    BOOST_TEST(text_of(read("a\n" + most + "x\n", 5000)) == "[a]\n[(too long)][2]\n");
    BOOST_TEST(text_of(read("a\n\"" + most + "\n", 5000)) == "[a]\n[(too long)][2]\n");
    BOOST_TEST(text_of(read(most + most, 5000)) == "[(too long)][1]\n");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace csv_test
