#include "aggregator/fold/pattern_set.hpp"

#include <algorithm>
#include <re2/re2.h>
#include <re2/set.h>
#include <stdexcept>
#include <string>
#include <utility>

namespace luot::aggregator {

namespace {

RE2::Options re2_options(const pattern_set::options& how)
{
    RE2::Options o;
    o.set_encoding(RE2::Options::EncodingLatin1);  // a User-Agent is bytes
    o.set_case_sensitive(!how.ignore_case);
    o.set_log_errors(false);
    o.set_never_capture(true);
    o.set_max_mem(how.memory_bytes);
    return o;
}

re2::StringPiece piece(std::string_view text)
{
    return {text.data(), text.size()};
}

}  // namespace

class pattern_set::compiled {
public:
    explicit compiled(const options& how) : options(re2_options(how)), set(options, RE2::UNANCHORED)
    {
    }

    RE2::Options options;
    RE2::Set set;
};

pattern_set::pattern_set(std::string_view name_of_list, std::vector<std::string_view> patterns,
                         options how)
    : patterns_(std::move(patterns)), compiled_(std::make_unique<compiled>(how))
{
    std::string error;
    for (const auto pattern : patterns_) {
        if (compiled_->set.Add(piece(pattern), &error) < 0)
            throw std::runtime_error(std::string(name_of_list) + ": pattern \"" +
                                     std::string(pattern) + "\" refused by RE2: " + error);
    }
    if (!compiled_->set.Compile())
        throw std::runtime_error(std::string(name_of_list) + " does not fit into RE2's memory");
}

pattern_set::~pattern_set() = default;

void pattern_set::find(std::string_view text, std::vector<int>& numbers) const
{
    numbers.clear();
    RE2::Set::ErrorInfo info{RE2::Set::kNoError};
    if (compiled_->set.Match(piece(text), &numbers, &info)) {
        std::sort(numbers.begin(), numbers.end());  // RE2 promises no order
        return;
    }
    if (info.kind == RE2::Set::kNoError)
        return;
    // The set ran out of memory, which says nothing about the text.
    for (std::size_t i = 0; i < patterns_.size(); ++i) {
        if (RE2::PartialMatch(piece(text), RE2(piece(patterns_[i]), compiled_->options)))
            numbers.push_back(static_cast<int>(i));
    }
}

}  // namespace luot::aggregator
