// Many threads that share a few predictors, and open and close them at random under each other's hands.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <mutex>
#include <random>
#include <thread>

#include "bundle/predictor.hpp"
#include "vectors.hpp"

namespace bundle::test {

namespace {

constexpr unsigned people = 16;
constexpr int turns = 250;
constexpr std::size_t places = 3;

enum Kind : std::uint8_t { ask, ask_into, ask_bound, replace, drop };
constexpr std::array<int, 5> weights = {60, 15, 10, 10, 5};

/// Some rows, and the one right answer to them.
struct Question {
  Tensors inputs;
  std::vector<std::int64_t> shape;
  std::string answer;
};

std::string bytes_of(const Tensor& tensor) { return {tensor.as<char>(), tensor.bytes()}; }

/// A second thread of the model's own, so that a model that stays behind is seen among the threads.
Predictor opened() {
  return Predictor::open(bundle_of("small_convolution"), Options().set("intra_op_threads", 2));
}

Question question(const Predictor& predictor, std::int64_t rows) {
  Tensor image = Tensor::zeros(DType::float32, {rows, 1, 5, 5});
  for (std::size_t i = 0; i < image.count(); ++i) {
    image.as<float>()[i] = static_cast<float>(i % 13) / 7 - static_cast<float>(rows);
  }
  const Tensors inputs = {{"image", image}};
  const Tensor pooled = predictor.predict(inputs).at("pooled");
  return {inputs, pooled.shape(), bytes_of(pooled)};
}

/// The answer of a predictor, in one of the ways that there are to ask for it.
std::string asked(Kind kind, const Predictor& predictor, const Question& question) {
  if (kind == ask) {
    return bytes_of(predictor.predict(question.inputs).at("pooled"));
  }
  Tensors outputs = {{"pooled", Tensor::zeros(DType::float32, question.shape)}};
  if (kind == ask_into) {
    predictor.predict_into(question.inputs, outputs);
  } else {
    BoundCall call = predictor.bind(question.inputs, outputs);
    call.run();
    call.run();
  }
  return bytes_of(outputs.at("pooled"));
}

class Room {
 public:
  Room() {
    for (std::size_t place = 0; place < places; ++place) {
      predictors_.push_back(opened());
    }
    for (const std::int64_t rows : {1, 2, 3, 4}) {
      questions_.push_back(question(predictors_.front(), rows));
    }
  }

  /// Does things at random.
  void live(unsigned seed) {
    std::mt19937 chance(seed);
    std::discrete_distribution<int> kinds(weights.begin(), weights.end());
    for (int turn = 0; turn < turns; ++turn) {
      const auto kind = static_cast<Kind>(kinds(chance));
      const std::size_t place = chance() % places;
      const Question& asking = questions_[chance() % questions_.size()];
      try {
        act(kind, place, asking);
      } catch (const Error& error) {
        // Who comes late may be told so, and nothing else.
        if (error.code() == "predictor_closed") {
          ++closed_;
        } else {
          fail(error.what());
        }
      }
    }
  }

  void close() {
    for (Predictor& predictor : predictors_) {
      predictor.close();
    }
    predictors_.clear();
  }

  int closed() const { return closed_; }
  const std::vector<std::string>& failures() const { return failures_; }

 private:
  void act(Kind kind, std::size_t place, const Question& question) {
    if (kind == replace) {
      at(place).close();
      // Another one may stand there by now, of somebody who replaced the same.
      swapped(place, opened()).close();
    } else if (kind == drop) {
      // Not closed: the last who has a copy of it lets it go.
      swapped(place, opened());
    } else if (asked(kind, at(place), question) != question.answer) {
      fail("another answer");
    }
  }

  void fail(const std::string& why) {
    const std::lock_guard<std::mutex> guard(lock_);
    failures_.push_back(why);
  }

  Predictor at(std::size_t place) {
    const std::lock_guard<std::mutex> guard(lock_);
    return predictors_[place];
  }

  Predictor swapped(std::size_t place, Predictor fresh) {
    const std::lock_guard<std::mutex> guard(lock_);
    std::swap(predictors_[place], fresh);
    return fresh;
  }

  std::mutex lock_;
  std::vector<Predictor> predictors_;
  std::vector<Question> questions_;
  std::vector<std::string> failures_;
  std::atomic<int> closed_{0};
};

std::ptrdiff_t entries(const char* folder) {
  const std::filesystem::directory_iterator found(folder);
  return std::distance(begin(found), end(found));
}

std::ptrdiff_t files() { return entries("/proc/self/fd"); }

/// The number of threads, when it is down at what is expected or has had a second to get there: one that was
/// joined may be listed for a moment.
std::ptrdiff_t settled(std::ptrdiff_t expected) {
  std::ptrdiff_t threads = entries("/proc/self/task");
  for (int looks = 0; looks < 100 && threads > expected; ++looks) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    threads = entries("/proc/self/task");
  }
  return threads;
}

template <class Life>
void together(Life life) {
  std::vector<std::thread> crowd;
  for (unsigned seed = 0; seed < people; ++seed) {
    crowd.emplace_back([&life, seed] { life(seed); });
  }
  for (std::thread& one : crowd) {
    one.join();
  }
}

}  // namespace

TEST(Crowd, SixteenThreadsOpenAndCloseUnderEachOthersHands) {
  // The first opening of a process loads the library.
  together([](unsigned) { opened().close(); });
  const std::ptrdiff_t threads_before = settled(0);
  const std::ptrdiff_t files_before = files();
  Room room;
  together([&room](unsigned seed) { room.live(seed); });
  room.close();
  EXPECT_EQ(room.failures(), std::vector<std::string>{});
  EXPECT_GT(room.closed(), 0);
  RecordProperty("closed", room.closed());
  EXPECT_EQ(files(), files_before);
  EXPECT_EQ(settled(threads_before), threads_before);
}

}  // namespace bundle::test
