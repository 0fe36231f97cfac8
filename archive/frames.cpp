#include "archive/frames.hpp"

#include <algorithm>

namespace luot::archive {

namespace {

constexpr std::size_t chunk_bytes = 256 * 1024, unwritten_bytes = 8;

/// The frame whose head stands at a place of the file, if it is good and all of it is there.
error_code head_at(const file& f, std::uint64_t at, std::uint64_t size, frame_place& out)
{
    std::string bytes;
    if (const auto error = f.read_at(at, head_bytes, bytes))
        return error;
    out.at = at;
    if (const auto error = decode_head(bytes, out.head))
        return error;
    if (size - at < head_bytes + std::uint64_t{out.head.packed_bytes})
        return errc::bad_record;
    return {};
}

/// The next good frame behind damage. Errors: bad_record (there is none), newer_format, the
/// system's.
error_code next_good(const file& f, std::uint64_t from, std::uint64_t size, frame_place& out)
{
    std::string chunk;
    while (from < size) {
        if (const auto error = f.read_at(from, chunk_bytes + head_bytes, chunk))
            return error;
        for (auto at = find_head(chunk, 0); at != std::string::npos && at < chunk_bytes;
             at = find_head(chunk, at + 1)) {
            const auto error = head_at(f, from + at, size, out);
            if (error != errc::bad_record)
                return error;
        }
        from += chunk_bytes;
    }
    return errc::bad_record;
}

/// Whether the end of a frame was never written: a file has its size before it has its bytes, and
/// zeros until then. Any other wrong byte is damage.
error_code is_unwritten(const file& f, const frame_place& last, bool& out)
{
    std::string packed, raw;
    if (const auto error = f.read_at(last.at + head_bytes, last.head.packed_bytes, packed))
        return error;
    const auto end =
        std::string_view(packed).substr(packed.size() - std::min(packed.size(), unwritten_bytes));
    out = end.find_first_not_of('\0') == std::string_view::npos &&
          unpack(last.head, packed, raw) == errc::bad_record;
    return {};
}

}  // namespace

error_code read_frame(const file& f, const frame_place& place, std::string& raw)
{
    std::string packed;
    if (const auto error = f.read_at(place.at + head_bytes, place.head.packed_bytes, packed))
        return error;
    return unpack(place.head, packed, raw);
}

result<frame_list> list_frames(const file& f)
{
    const auto size = f.size();
    if (!size)
        return size.error();
    frame_list out;
    std::string bytes;
    if (const auto error = f.read_at(0, head_bytes, bytes))
        return error;
    out.is_foreign = !begins_a_frame(bytes);
    while (out.end < *size) {
        frame_place place;
        auto error = head_at(f, out.end, *size, place);
        if (error == errc::bad_record)
            error = next_good(f, out.end + 1, *size, place);
        if (error == errc::bad_record)
            break;
        if (error)
            return error;
        out.damaged_bytes += place.at - out.end;
        out.end = place.at + head_bytes + place.head.packed_bytes;
        out.frames.push_back(place);
    }
    while (!out.frames.empty()) {
        bool is_torn = false;
        if (const auto error = is_unwritten(f, out.frames.back(), is_torn))
            return error;
        if (!is_torn)
            break;
        out.end = out.frames.back().at;
        out.frames.pop_back();
    }
    if (!out.frames.empty()) {
        const auto& last = out.frames.back();
        out.end = last.at + head_bytes + last.head.packed_bytes;
        out.is_foreign = false;
    }
    out.torn_bytes = *size - out.end;
    return out;
}

}  // namespace luot::archive
