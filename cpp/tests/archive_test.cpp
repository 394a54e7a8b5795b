// Archives by the checks A1 to A7 and H1 to H6.
#include "archive.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "archives.hpp"
#include "bundle/error.hpp"
#include "ustar.hpp"
#include "vectors.hpp"

namespace bundle::test {

namespace ustar = detail::ustar;
using detail::Archive;

namespace {

constexpr std::size_t block = ustar::block_size;
const std::string any_identity;

class ArchiveTest : public testing::Test {
 protected:
  /// Code and subject of the refusal, with a blank between.
  std::string refusal(const std::string& bytes) {
    write_file(file_, bytes);
    try {
      Archive::open(file_, any_identity, std::nullopt);
    } catch (const Error& error) {
      return error.code() + " " + error.subject();
    }
    return "none";
  }

  /// The refusal where some bytes of the header of an entry are others, and its checksum fits.
  std::string refusal_of(std::size_t entry, std::size_t at, const std::string& value) {
    std::string bytes = good_;
    const std::size_t begin = begin_of(entry);
    const std::string header = bytes.substr(begin, block).replace(at, value.size(), value);
    return refusal(bytes.replace(begin, block, sealed(header)));
  }

  std::size_t begin_of(std::size_t entry) const {
    return archive_of({contents_.begin(), contents_.begin() + static_cast<std::ptrdiff_t>(entry)}).size() -
           2 * block;
  }

  std::string with_statements(const Contents& statements) const {
    Contents all = contents_;
    all.insert(all.end(), statements.begin(), statements.end());
    return archive_of(all);
  }

  TemporaryFolder folder_;
  std::string file_ = folder_.path() / "a.bundle";
  Contents contents_ = contents_of(bundle_of("self_test_passes"));
  std::string good_ = archive_of(contents_);
  std::string second_ = contents_.at(1).first;
  std::string third_ = contents_.at(2).first;
};

}  // namespace

TEST_F(ArchiveTest, WhatWasWrittenIsRead) {
  write_file(file_,
             with_statements({{"attest/a.sig", "one"}, {"attest/report.json", std::string(1300, 'x')}}));
  const Archive archive = Archive::open(file_, any_identity, std::nullopt);
  Contents found;
  for (const auto& entry : archive.entries()) {
    found.emplace_back(entry.path, "");
    archive.read(entry, [&](std::string_view piece) { found.back().second += piece; });
  }
  EXPECT_EQ(found, contents_);
  ASSERT_EQ(archive.statements().size(), 2U);
  EXPECT_EQ(archive.statements()[1].path, "attest/report.json");
  EXPECT_EQ(archive.statements()[1].size, 1300U);
  EXPECT_EQ(archive.manifest().bytes(), contents_[0].second);
}

TEST_F(ArchiveTest, CutAnywhereItIsRefused) {
  for (std::size_t boundary = 0; boundary < good_.size(); boundary += block) {
    for (const std::size_t length : {boundary == 0 ? 0 : boundary - 1, boundary, boundary + 1}) {
      const std::string found = refusal(good_.substr(0, length));
      EXPECT_TRUE(found.rfind("archive_truncated ", 0) == 0) << length << ": " << found;
    }
  }
}

TEST_F(ArchiveTest, AnyChangedByteOfAHeaderIsRefused) {
  for (std::size_t entry = 0; entry < contents_.size(); ++entry) {
    const std::size_t begin = begin_of(entry);
    for (std::size_t i = begin; i < begin + block; ++i) {
      std::string changed = good_;
      changed[i] = static_cast<char>(changed[i] ^ 0x41);
      EXPECT_EQ(refusal(changed), "archive_malformed " + contents_[entry].first) << i;
    }
  }
}

TEST_F(ArchiveTest, EveryFieldHasOneSpelling) {
  const std::string zero(1, '\0');
  const std::vector<std::pair<std::size_t, std::string>> faults = {
      {257, "ustar  "}, {156, "2"},       {156, zero},          {156, "x"},
      {124, "\x80"},    {124, "    "},    {135, " "},           {100, "0000755"},
      {108, "0001750"}, {116, "0001750"}, {136, "00000000001"}, {265, "root"},
      {329, zero},      {157, "/etc"},    {511, "x"},           {99, "x"},
      {345, "models"},  {0, "\xE9"}};
  for (const auto& [at, value] : faults) {
    EXPECT_EQ(refusal_of(1, at, value), "archive_malformed " + second_) << at;
  }
}

TEST_F(ArchiveTest, WhatIsAnnouncedIsNotBelieved) {
  EXPECT_EQ(refusal_of(0, 124, "00004000001"), "manifest_too_large ");
  EXPECT_EQ(refusal_of(0, 124, "00000100000"), "archive_truncated bundle.json");
  EXPECT_EQ(refusal_of(1, 124, "77777777777"), "file_size_mismatch " + second_);
  const std::string huge = spelled("attest/a", (std::uint64_t{1} << 33U) - 1);
  std::string bytes = good_;
  EXPECT_EQ(refusal(bytes.insert(good_.size() - 2 * block, huge)), "archive_too_large attest");
  EXPECT_FALSE(ustar::spell("models/a", std::uint64_t{1} << 33U));
}

TEST_F(ArchiveTest, OtherEntriesThanTheListedOnesAreRefused) {
  Contents swapped = contents_;
  std::swap(swapped[1], swapped[2]);
  EXPECT_EQ(refusal(archive_of(swapped)), "archive_entry_unexpected " + second_);
  Contents missing = contents_;
  missing.pop_back();
  EXPECT_EQ(refusal(archive_of(missing)), "file_missing " + contents_.back().first);
  Contents twice = contents_;
  twice.insert(twice.begin() + 2, twice[1]);
  EXPECT_EQ(refusal(archive_of(twice)), "archive_entry_unexpected " + third_);
  Contents smaller = contents_;
  smaller[1].second.pop_back();
  EXPECT_EQ(refusal(archive_of(smaller)), "file_size_mismatch " + second_);
  EXPECT_EQ(refusal_of(1, 0, "../../../etc/passwd"), "archive_entry_unexpected " + second_);
  EXPECT_EQ(refusal(std::string(2 * block, '\0')), "file_missing bundle.json");
}

TEST_F(ArchiveTest, PaddingIsZeroAndNothingFollowsTheEnd) {
  std::string padding = good_;
  padding[begin_of(1) - 1] = 'x';
  EXPECT_EQ(refusal(padding), "archive_malformed bundle.json");
  EXPECT_EQ(refusal(good_ + "x"), "archive_malformed .");
  EXPECT_EQ(refusal(good_ + std::string(block, '\0')), "archive_malformed .");
  EXPECT_EQ(refusal(good_.substr(0, good_.size() - block) + entry_of("x", "") + std::string(block, '\0')),
            "archive_malformed .");
}

TEST_F(ArchiveTest, StatementsHavePlainNamesInOrder) {
  for (const char* path :
       {"evil/report.json", "attest/../x", "attest/.x", "attest/a/b", "attest/", "attest"}) {
    EXPECT_EQ(refusal(with_statements({{path, ""}})), "archive_entry_unexpected attest") << path;
  }
  EXPECT_EQ(refusal(with_statements({{"attest/b", ""}, {"attest/a", ""}})),
            "archive_entry_unexpected attest");
  EXPECT_EQ(refusal(with_statements({{"attest/A", ""}, {"attest/a", ""}})),
            "archive_entry_unexpected attest");
  Contents many;
  for (int i = 1000; i < 1257; ++i) {
    many.emplace_back("attest/" + std::to_string(i), "");
  }
  EXPECT_EQ(refusal(with_statements(many)), "archive_too_large attest");
  many.pop_back();
  EXPECT_EQ(refusal(with_statements(many)), "none");
}

TEST_F(ArchiveTest, WhatIsNoFileIsNoArchive) {
  const std::string pipe = folder_.path() / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  for (const std::string& path : {folder_.path().string(), std::string("/dev/null"), pipe, file_ + ".none",
                                  file_ + std::string("\0x", 2), std::string()}) {
    write_file(file_, good_);
    try {
      Archive::open(path, any_identity, std::nullopt);
      ADD_FAILURE() << path;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), "archive_not_found") << path;
    }
  }
}

TEST_F(ArchiveTest, TheCallersLimitsHold) {
  write_file(file_, good_);
  const auto length = static_cast<std::int64_t>(good_.size());
  EXPECT_NO_THROW(Archive::open(file_, any_identity, length));
  EXPECT_THROW(Archive::open(file_, any_identity, length - 1), Error);
  EXPECT_THROW(Archive::open(file_, std::string(64, '0'), std::nullopt), Error);
  std::filesystem::resize_file(file_, std::uintmax_t{1} << 40U);
  EXPECT_THROW(Archive::open(file_, any_identity, std::nullopt), Error);
}

TEST_F(ArchiveTest, OneThatChangesWhileItIsReadIsRefused) {
  write_file(file_, good_);
  const Archive archive = Archive::open(file_, any_identity, std::nullopt);
  std::filesystem::resize_file(file_, block);
  EXPECT_THROW(archive.read(archive.entries().back(), [](std::string_view) {}), Error);
}

}  // namespace bundle::test
