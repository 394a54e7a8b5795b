// The reader of JSON: the grammar decides between malformed and not canonical, so one pass notes both.
#include <algorithm>
#include <optional>
#include <utility>

#include "json.hpp"
#include "text.hpp"

namespace bundle::detail {

namespace {

constexpr std::int64_t max_integer = (std::int64_t{1} << 53) - 1;
constexpr std::size_t max_digits = 16;

class Reader {
 public:
  Reader(std::string_view text, int max_depth, bool ascii_keys)
      : text_(text), depth_left_(max_depth), ascii_keys_(ascii_keys) {}

  Parsed read() {
    if (!is_utf8(text_)) {
      fail("bytes that are no UTF-8");
    }
    skip_space();
    Parsed parsed{value(), {}};
    skip_space();
    if (at_ < text_.size()) {
      fail("more behind its end");
    }
    parsed.deviation = std::move(deviation_);
    return parsed;
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw Malformed(what + " at byte " + std::to_string(at_));
  }

  void deviate(const char* what) {
    if (deviation_.empty()) {
      deviation_ = std::string(what) + " at byte " + std::to_string(at_);
    }
  }

  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }

  bool digit() const { return peek() >= '0' && peek() <= '9'; }

  bool take(char wanted) {
    if (at_ >= text_.size() || text_[at_] != wanted) {
      return false;
    }
    ++at_;
    return true;
  }

  void skip_space() {
    while (at_ < text_.size() && std::string_view(" \t\n\r").find(text_[at_]) != std::string_view::npos) {
      deviate("white space");
      ++at_;
    }
  }

  Json value() {
    switch (peek()) {
      case '{':
        return nested(&Reader::object);
      case '[':
        return nested(&Reader::array);
      case '"':
        ++at_;
        return Json{string()};
      case 't':
        return word("true", Json{true});
      case 'f':
        return word("false", Json{false});
      case 'n':
        deviate("null");
        return word("null", Json{});
      default:
        return number();
    }
  }

  Json word(std::string_view wanted, Json meaning) {
    if (text_.substr(at_, wanted.size()) != wanted) {
      fail("no value");
    }
    at_ += wanted.size();
    return meaning;
  }

  Json nested(Json (Reader::*inside)()) {
    if (depth_left_ == 0) {
      fail("arrays and objects that nest too deep");
    }
    --depth_left_;
    ++at_;
    skip_space();
    Json result = (this->*inside)();
    ++depth_left_;
    return result;
  }

  Json array() {
    Array items;
    if (take(']')) {
      return Json{std::move(items)};
    }
    do {
      skip_space();
      items.push_back(value());
      skip_space();
    } while (take(','));
    if (!take(']')) {
      fail("no `,` or `]`");
    }
    return Json{std::move(items)};
  }

  Json object() {
    Object members;
    bool sorted = true;
    if (take('}')) {
      return Json{std::move(members)};
    }
    do {
      members.push_back(member());
      const std::size_t count = members.size();
      sorted = sorted && (count < 2 || members[count - 2].key < members[count - 1].key);
    } while (take(','));
    if (!take('}')) {
      fail("no `,` or `}`");
    }
    if (!sorted) {
      deviate("keys out of order or twice");
      sort(members);
    }
    return Json{std::move(members)};
  }

  Member member() {
    skip_space();
    if (!take('"')) {
      fail("no key");
    }
    Member member{string(), {}};
    auto plain = [](char character) { return static_cast<unsigned char>(character) < 0x80; };
    if (ascii_keys_ && !std::all_of(member.key.begin(), member.key.end(), plain)) {
      deviate("a key that is not ASCII");
    }
    skip_space();
    if (!take(':')) {
      fail("no `:`");
    }
    skip_space();
    member.value = value();
    skip_space();
    return member;
  }

  /// Sorts by key and keeps the last of equal keys.
  static void sort(Object& members) {
    std::stable_sort(members.begin(), members.end(),
                     [](const Member& a, const Member& b) { return a.key < b.key; });
    Object unique;
    for (Member& one : members) {
      if (!unique.empty() && unique.back().key == one.key) {
        unique.back() = std::move(one);
      } else {
        unique.push_back(std::move(one));
      }
    }
    members = std::move(unique);
  }

  std::string string() {
    std::string out;
    while (true) {
      const std::size_t begin = at_;
      while (at_ < text_.size() && static_cast<unsigned char>(text_[at_]) >= 0x20 && text_[at_] != '"' &&
             text_[at_] != '\\') {
        ++at_;
      }
      out += text_.substr(begin, at_ - begin);
      if (take('"')) {
        return out;
      }
      if (!take('\\')) {
        fail("a string without end or with a control character");
      }
      escape(out);
    }
  }

  void escape(std::string& out) {
    static constexpr std::string_view letters = "\"\\btnfr/";
    static constexpr std::string_view meanings = "\"\\\b\t\n\f\r/";
    const std::size_t index = at_ < text_.size() ? letters.find(text_[at_]) : std::string_view::npos;
    if (index != std::string_view::npos) {
      if (text_[at_++] == '/') {
        deviate("an escape that is not needed");
      }
      out += meanings[index];
    } else if (take('u')) {
      unicode_escape(out);
    } else {
      fail("an unknown escape");
    }
  }

  void unicode_escape(std::string& out) {
    const std::string_view digits = text_.substr(at_, 4);
    unsigned code = four_digits();
    const bool lower =
        std::none_of(digits.begin(), digits.end(), [](char c) { return c >= 'A' && c <= 'F'; });
    static constexpr std::string_view shorter = "\b\t\n\f\r";
    if (code >= 0x20 || !lower ||
        (code != 0 && shorter.find(static_cast<char>(code)) != std::string_view::npos)) {
      deviate("an escape that is not the canonical one");
    }
    if (code >= 0xD800 && code < 0xDC00 && text_.substr(at_, 2) == "\\u") {
      const std::size_t before = at_;
      at_ += 2;
      const unsigned low = four_digits();
      if (low >= 0xDC00 && low < 0xE000) {
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
      } else {
        at_ = before;
      }
    }
    append_utf8(code, out);
  }

  unsigned four_digits() {
    const auto bytes = from_hex(text_.substr(at_, 4));
    if (!bytes || bytes->size() != 2) {
      fail("no four hex digits");
    }
    at_ += 4;
    return static_cast<unsigned>(static_cast<unsigned char>((*bytes)[0])) << 8 |
           static_cast<unsigned char>((*bytes)[1]);
  }

  void digits() {
    if (!digit()) {
      fail("no value");
    }
    while (digit()) {
      ++at_;
    }
  }

  Json number() {
    const std::size_t begin = at_;
    bool plain = true;
    const bool negative = take('-');
    if (!take('0')) {
      digits();
    }
    if (take('.')) {
      plain = false;
      digits();
    }
    if (take('e') || take('E')) {
      plain = false;
      if (!take('+')) {
        take('-');
      }
      digits();
    }
    const std::string spelt(text_.substr(begin, at_ - begin));
    if (plain && spelt.size() <= max_digits + (negative ? 1 : 0) && spelt != "-0") {
      const std::int64_t integer = std::stoll(spelt);
      if (integer >= -max_integer && integer <= max_integer) {
        return Json{integer};
      }
    }
    deviate("a number that is no integer which every library carries");
    return Json{Number{spelt}};
  }

  std::string_view text_;
  std::size_t at_ = 0;
  int depth_left_;
  bool ascii_keys_;
  std::string deviation_;
};

}  // namespace

Parsed parse_json(std::string_view text, int max_depth, bool ascii_keys) {
  return Reader(text, max_depth, ascii_keys).read();
}

}  // namespace bundle::detail
