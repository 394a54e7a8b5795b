// Calls in process: what the driver's protocol cannot say.
#include "bundle/predictor.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>

#include "vectors.hpp"

namespace bundle::test {

namespace {

/// Runs a call that must be refused, and returns the code.
template <class Call>
std::string code_of(Call call) {
  try {
    call();
  } catch (const Error& error) {
    return error.code();
  }
  return "no error";
}

Tensor rows(std::int64_t count, std::int64_t columns, float first) {
  Tensor tensor = Tensor::zeros(DType::float32, {count, columns});
  for (std::size_t i = 0; i < tensor.count(); ++i) {
    tensor.as<float>()[i] = first + static_cast<float>(i % 7);
  }
  return tensor;
}

std::string bytes_of(const Tensor& tensor) { return {tensor.as<char>(), tensor.bytes()}; }

}  // namespace

TEST(Predictor, ManyThreadsGetTheSameBytes) {
  constexpr int threads = 8;
  constexpr int calls = 1000;
  const Predictor predictor = Predictor::open(bundle_of("small_convolution"));
  const Port& port = predictor.inputs().at(0);
  std::vector<std::int64_t> shape;
  for (const Dim& size : port.shape) {
    shape.push_back(std::holds_alternative<std::int64_t>(size) ? std::get<std::int64_t>(size) : 2);
  }
  std::vector<Tensors> inputs;
  std::vector<std::string> expected;
  for (int i = 0; i < threads; ++i) {
    Tensor tensor = Tensor::zeros(port.dtype, shape);
    for (std::size_t k = 0; k < tensor.count(); ++k) {
      tensor.as<float>()[k] = static_cast<float>((k * 7 + static_cast<std::size_t>(i)) % 13);
    }
    inputs.push_back({{port.name, tensor}});
    expected.push_back(bytes_of(predictor.predict(inputs.back()).begin()->second));
  }
  std::atomic<int> wrong{0};
  std::vector<std::thread> workers;
  for (std::size_t i = 0; i < threads; ++i) {
    workers.emplace_back([&, i] {
      for (int call = 0; call < calls; ++call) {
        wrong += bytes_of(predictor.predict(inputs[i]).begin()->second) == expected[i] ? 0 : 1;
      }
    });
  }
  for (std::thread& worker : workers) {
    worker.join();
  }
  EXPECT_EQ(wrong, 0);
}

TEST(Predictor, CloseWaitsForCallsInFlight) {
  Predictor predictor = Predictor::open(bundle_of("scale_rows"));
  std::atomic<int> other{0};
  std::vector<std::thread> workers;
  for (int i = 0; i < 4; ++i) {
    workers.emplace_back([&] {
      std::string code;
      while (code.empty() || code == "no error") {
        code = code_of([&] { predictor.predict({{"x", rows(2, 3, 0)}}); });
      }
      other += code == "predictor_closed" ? 0 : 1;
    });
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  predictor.close();
  predictor.close();
  for (std::thread& worker : workers) {
    worker.join();
  }
  EXPECT_EQ(other, 0);
}

TEST(Predictor, AForkedChildIsRefused) {
  Predictor predictor = Predictor::open(bundle_of("scale_rows"));
  const pid_t child = ::fork();
  if (child == 0) {
    const bool refused = code_of([&] { predictor.predict({{"x", rows(2, 3, 0)}}); }) == "process_forked";
    predictor.close();
    const bool closed = code_of([&] { predictor.predict({{"x", rows(2, 3, 0)}}); }) == "predictor_closed";
    ::_exit(refused && closed ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(predictor.predict({{"x", rows(2, 3, 0)}}).size(), 1U);
}

TEST(Predictor, ABatchCanBeCancelled) {
  const Predictor predictor = Predictor::open(bundle_of("scale_rows"));
  const Tensors inputs = {{"x", rows(5, 3, 0)}};
  std::vector<std::int64_t> seen;
  auto progress = [&](std::int64_t done, std::int64_t all) {
    seen.push_back(done);
    return all != 5 || done < 4;
  };
  EXPECT_EQ(code_of([&] { predictor.predict_batch(inputs, 2, progress); }), "predict_cancelled");
  EXPECT_EQ(seen, (std::vector<std::int64_t>{2, 4}));
  EXPECT_EQ(bytes_of(predictor.predict_batch(inputs, 2).begin()->second),
            bytes_of(predictor.predict(inputs).begin()->second));
}

TEST(Predictor, ABoundCallSeesItsBuffersChange) {
  const Predictor predictor = Predictor::open(bundle_of("scale_rows"));
  Tensor x = rows(2, 3, 0);
  const Tensor y = Tensor::zeros(DType::float32, {2, 3});
  BoundCall call = predictor.bind({{"x", x}}, {{"y", y}});
  for (const float first : {1.0F, -4.0F}) {
    std::memcpy(x.data(), rows(2, 3, first).data(), x.bytes());
    call.run();
    EXPECT_EQ(bytes_of(y), bytes_of(predictor.predict({{"x", x}}).at("y")));
  }
  x.as<float>()[0] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(code_of([&] { call.run(); }), "input_not_finite");
  x.as<float>()[0] = 1;
  call.run();
}

TEST(Predictor, BuffersMustBeWritableAndApart) {
  const Predictor predictor = Predictor::open(bundle_of("scale_rows"));
  const Tensor x = rows(2, 3, 0);
  const Tensor y = Tensor::zeros(DType::float32, {2, 3});
  const Tensor fixed = Tensor::borrow(DType::float32, {2, 3}, y.data());
  EXPECT_EQ(code_of([&] { predictor.bind({{"x", x}}, {{"y", fixed}}); }), "buffer_unsuitable");
  EXPECT_EQ(code_of([&] { predictor.bind({{"x", x}}, {{"y", x}}); }), "buffer_unsuitable");
}

TEST(Predictor, ACopyKeepsTheModel) {
  std::optional<Predictor> first = Predictor::open(bundle_of("scale_rows"));
  const Predictor second = *first;
  first.reset();
  EXPECT_EQ(second.predict({{"x", rows(2, 3, 0)}}).at("y").count(), 6U);
}

TEST(Predictor, AnEnvironmentWithTelemetryOffIsNotWritten) {
  const std::string name = "ORT_DISABLE_TELEMETRY";
  static std::string own = name + "=1";
  ASSERT_EQ(::putenv(own.data()), 0);
  Predictor::open(bundle_of("scale_rows"));
  EXPECT_EQ(std::getenv(name.c_str()), own.data() + name.size() + 1);
}

TEST(Predictor, OptionsAreInEffect) {
  const Options options = Options()
                              .set("intra_op_threads", 256)
                              .set("graph_optimization_level", "basic")
                              .provider("CPUExecutionProvider");
  const Predictor predictor = Predictor::open(bundle_of("scale_rows"), options);
  EXPECT_LT(std::get<std::int64_t>(predictor.session().at("intra_op_threads")), 256);
  EXPECT_EQ(std::get<std::string>(predictor.session().at("graph_optimization_level")), "basic");
  EXPECT_EQ(predictor.providers(), std::vector<std::string>{"CPUExecutionProvider"});
  EXPECT_TRUE(predictor.self_test().passed);
}

}  // namespace bundle::test
