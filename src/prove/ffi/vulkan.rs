//! Vulkan compute through `ash`: one buffer in, one out, one shader.

use std::{ffi::CStr, io::Cursor, path::PathBuf, time::Instant};

use ash::{Device, Entry, Instance, vk};

use super::{Fault, open};
use crate::prove::pattern::BLOCK;

const SHADER: &[u8] = include_bytes!("../../../assets/kernels/proof.spv");

/// How long the shader may take.
const PATIENCE: u64 = 30_000_000_000;

/// An opened Vulkan.
pub(in crate::prove) struct Vulkan {
    /// Holds the functions that `instance` calls.
    _entry: Entry,
    instance: Instance,
}

/// A device of it.
#[derive(Debug)]
pub(in crate::prove) struct Gpu {
    physical: vk::PhysicalDevice,
    pub(in crate::prove) name: String,
    /// `VENDOR:DEVICE` of PCI.
    pub(in crate::prove) ids: String,
    pub(in crate::prove) uuid: Option<[u8; 16]>,
    pub(in crate::prove) pci: String,
    pub(in crate::prove) memory: u64,
    /// Vulkan's version: `1.3.289`.
    pub(in crate::prove) version: String,
    /// The driver's name and version.
    pub(in crate::prove) driver: String,
}

/// A result with the call that it is of.
trait Named<T> {
    fn of(self, call: &str) -> Result<T, Fault>;
}

impl<T> Named<T> for Result<T, vk::Result> {
    fn of(self, call: &str) -> Result<T, Fault> {
        self.map_err(|error| Fault::new(call, error.as_raw().into(), format!("{error:?}")))
    }
}

impl Vulkan {
    /// Opens the loader and makes an instance; the loader opens the drivers.
    pub(in crate::prove) fn open(candidates: &[PathBuf]) -> Result<Self, Fault> {
        let (_, path) = open(candidates)?;
        // SAFETY: the loader is open already; its functions have the types of the Vulkan registry.
        let entry = unsafe { Entry::load_from(&path) }
            .map_err(|error| Fault::new("vkGetInstanceProcAddr", 0, error.to_string()))?;
        let application = vk::ApplicationInfo::default()
            .application_name(c"halolab")
            .api_version(vk::API_VERSION_1_2);
        let wanted = vk::InstanceCreateInfo::default().application_info(&application);
        // SAFETY: what `wanted` points to lives through the call.
        let instance = unsafe { entry.create_instance(&wanted, None) }.of("vkCreateInstance")?;
        Ok(Self {
            _entry: entry,
            instance,
        })
    }

    /// All GPUs; processors that play one only where `admit_cpu`.
    pub(in crate::prove) fn devices(&self, admit_cpu: bool) -> Result<Vec<Gpu>, Fault> {
        // SAFETY: the instance is whole, here and below.
        let all = unsafe { self.instance.enumerate_physical_devices() }.of("vkEnumeratePhysicalDevices")?;
        let described = all.into_iter().map(|physical| self.describe(physical));
        Ok(described
            .filter(|(kind, _)| admit_cpu || *kind != vk::PhysicalDeviceType::CPU)
            .map(|(_, gpu)| gpu)
            .collect())
    }

    fn describe(&self, physical: vk::PhysicalDevice) -> (vk::PhysicalDeviceType, Gpu) {
        let (mut ids, mut driver) = (
            vk::PhysicalDeviceIDProperties::default(),
            vk::PhysicalDeviceDriverProperties::default(),
        );
        let mut bus = vk::PhysicalDevicePCIBusInfoPropertiesEXT::default();
        let mut all = vk::PhysicalDeviceProperties2::default().push_next(&mut ids);
        let on_bus = self.has_bus(physical);
        // SAFETY: a device of this instance.
        let version = unsafe { self.instance.get_physical_device_properties(physical) }.api_version;
        if version >= vk::API_VERSION_1_2 {
            all = all.push_next(&mut driver);
        }
        if on_bus {
            all = all.push_next(&mut bus);
        }
        // SAFETY: the chain holds only structures that the device's version or extensions know.
        unsafe { self.instance.get_physical_device_properties2(physical, &mut all) };
        let plain = all.properties;
        // SAFETY: a device of this instance.
        let memory = unsafe { self.instance.get_physical_device_memory_properties(physical) };
        let heaps = memory.memory_heaps_as_slice().iter();
        let local = heaps.filter(|heap| heap.flags.contains(vk::MemoryHeapFlags::DEVICE_LOCAL));
        let pci = format!(
            "{:04x}:{:02x}:{:02x}.{:x}",
            bus.pci_domain, bus.pci_bus, bus.pci_device, bus.pci_function
        );
        let said = format!(
            "{} {}",
            text(driver.driver_name_as_c_str()),
            text(driver.driver_info_as_c_str())
        );
        let gpu = Gpu {
            physical,
            name: text(plain.device_name_as_c_str()),
            ids: format!("{:04x}:{:04x}", plain.vendor_id, plain.device_id),
            uuid: (ids.device_uuid != [0; 16]).then_some(ids.device_uuid),
            pci: if on_bus { pci } else { String::new() },
            memory: local.map(|heap| heap.size).max().unwrap_or(0),
            version: format!(
                "{}.{}.{}",
                vk::api_version_major(version),
                vk::api_version_minor(version),
                vk::api_version_patch(version)
            ),
            driver: said.trim().to_owned(),
        };
        (plain.device_type, gpu)
    }

    fn has_bus(&self, physical: vk::PhysicalDevice) -> bool {
        // SAFETY: a device of this instance.
        let known = unsafe { self.instance.enumerate_device_extension_properties(physical) };
        known.is_ok_and(|all| {
            all.iter()
                .any(|e| e.extension_name_as_c_str() == Ok(ash::ext::pci_bus_info::NAME))
        })
    }

    /// Runs the shader twice, and answers what it wrote and the milliseconds of the second run.
    pub(in crate::prove) fn run(
        &self,
        gpu: &Gpu,
        input: &[u32],
        seed: u32,
    ) -> Result<(Vec<u32>, f64), Fault> {
        // SAFETY: a device of this instance.
        let families = unsafe {
            self.instance
                .get_physical_device_queue_family_properties(gpu.physical)
        };
        let family = (0..)
            .zip(&families)
            .find(|(_, family)| family.queue_flags.contains(vk::QueueFlags::COMPUTE))
            .map(|(index, _)| index)
            .ok_or_else(|| Fault::new("vkGetPhysicalDeviceQueueFamilyProperties", 0, "no queue computes"))?;
        let queues = [vk::DeviceQueueCreateInfo::default()
            .queue_family_index(family)
            .queue_priorities(&[1.0])];
        let wanted = vk::DeviceCreateInfo::default().queue_create_infos(&queues);
        // SAFETY: the family is one of the device's; what `wanted` points to lives through the call.
        let device =
            unsafe { self.instance.create_device(gpu.physical, &wanted, None) }.of("vkCreateDevice")?;
        // SAFETY: a device of this instance.
        let memory = unsafe { self.instance.get_physical_device_memory_properties(gpu.physical) };
        let bench = Bench {
            device,
            family,
            memory,
        };
        // What is made on the device ends with this process; to take it apart after a failure may hang.
        bench.calculate(input, seed)
    }
}

/// A device at work.
struct Bench {
    device: Device,
    family: u32,
    memory: vk::PhysicalDeviceMemoryProperties,
}

impl Bench {
    fn calculate(&self, input: &[u32], seed: u32) -> Result<(Vec<u32>, f64), Fault> {
        let (given, _) = self.buffer(input)?;
        let (found, found_at) = self.buffer(&vec![0; input.len()])?;
        let (pipeline, layout, set) = self.pipeline([given, found])?;
        let count = u32::try_from(input.len()).unwrap_or(u32::MAX);
        let commands = self.record((pipeline, layout, set), [count, seed])?;
        self.submit(commands)?;
        let clock = Instant::now();
        self.submit(commands)?;
        let milliseconds = clock.elapsed().as_secs_f64() * 1000.0;
        Ok((self.read(found_at, input.len())?, milliseconds))
    }

    /// A storage buffer that both sides see, filled.
    fn buffer(&self, content: &[u32]) -> Result<(vk::Buffer, vk::DeviceMemory), Fault> {
        let size = size_of_val(content) as u64;
        let wanted = vk::BufferCreateInfo::default()
            .size(size)
            .usage(vk::BufferUsageFlags::STORAGE_BUFFER);
        // SAFETY: the device is whole; the buffer is bound before it is used, to memory of its own that is visible to us
        // and as large as asked for; the mapping is written within its size and ended before the GPU reads.
        unsafe {
            let buffer = self.device.create_buffer(&wanted, None).of("vkCreateBuffer")?;
            let needs = self.device.get_buffer_memory_requirements(buffer);
            let seen = vk::MemoryPropertyFlags::HOST_VISIBLE | vk::MemoryPropertyFlags::HOST_COHERENT;
            let kind = (0..)
                .zip(self.memory.memory_types_as_slice())
                .find(|(index, kind)| {
                    needs.memory_type_bits & (1_u32 << *index) != 0 && kind.property_flags.contains(seen)
                })
                .map(|(index, _)| index)
                .ok_or_else(|| {
                    Fault::new(
                        "vkGetBufferMemoryRequirements",
                        0,
                        "no memory is visible to both sides",
                    )
                })?;
            let wanted = vk::MemoryAllocateInfo::default()
                .allocation_size(needs.size)
                .memory_type_index(kind);
            let memory = self
                .device
                .allocate_memory(&wanted, None)
                .of("vkAllocateMemory")?;
            self.device
                .bind_buffer_memory(buffer, memory, 0)
                .of("vkBindBufferMemory")?;
            let at = self
                .device
                .map_memory(memory, 0, size, vk::MemoryMapFlags::empty())
                .of("vkMapMemory")?;
            std::ptr::copy_nonoverlapping(content.as_ptr(), at.cast(), content.len());
            self.device.unmap_memory(memory);
            Ok((buffer, memory))
        }
    }

    fn pipeline(
        &self,
        buffers: [vk::Buffer; 2],
    ) -> Result<(vk::Pipeline, vk::PipelineLayout, vk::DescriptorSet), Fault> {
        let words = ash::util::read_spv(&mut Cursor::new(SHADER))
            .map_err(|error| Fault::new("vkCreateShaderModule", 0, error.to_string()))?;
        let binding = |number| {
            vk::DescriptorSetLayoutBinding::default()
                .binding(number)
                .descriptor_type(vk::DescriptorType::STORAGE_BUFFER)
                .descriptor_count(1)
                .stage_flags(vk::ShaderStageFlags::COMPUTE)
        };
        let bindings = [binding(0), binding(1)];
        let numbers = [vk::PushConstantRange::default()
            .stage_flags(vk::ShaderStageFlags::COMPUTE)
            .size(8)];
        let device = &self.device;
        // SAFETY: the device is whole, the shader is ours and was checked when it was compiled, and what the
        // structures point to lives through the calls.
        unsafe {
            let shader = vk::ShaderModuleCreateInfo::default().code(&words);
            let shader = device
                .create_shader_module(&shader, None)
                .of("vkCreateShaderModule")?;
            let wanted = vk::DescriptorSetLayoutCreateInfo::default().bindings(&bindings);
            let sets = [device
                .create_descriptor_set_layout(&wanted, None)
                .of("vkCreateDescriptorSetLayout")?];
            let wanted = vk::PipelineLayoutCreateInfo::default()
                .set_layouts(&sets)
                .push_constant_ranges(&numbers);
            let layout = device
                .create_pipeline_layout(&wanted, None)
                .of("vkCreatePipelineLayout")?;
            let stage = vk::PipelineShaderStageCreateInfo::default()
                .stage(vk::ShaderStageFlags::COMPUTE)
                .module(shader)
                .name(c"main");
            let wanted = [vk::ComputePipelineCreateInfo::default()
                .stage(stage)
                .layout(layout)];
            let made = device.create_compute_pipelines(vk::PipelineCache::null(), &wanted, None);
            let pipelines = made.map_err(|(_, error)| error).of("vkCreateComputePipelines")?;
            let pipeline = pipelines.first().copied().unwrap_or_default();
            Ok((pipeline, layout, self.set(&sets, buffers)?))
        }
    }

    fn set(
        &self,
        layouts: &[vk::DescriptorSetLayout],
        buffers: [vk::Buffer; 2],
    ) -> Result<vk::DescriptorSet, Fault> {
        let sizes = [vk::DescriptorPoolSize::default()
            .ty(vk::DescriptorType::STORAGE_BUFFER)
            .descriptor_count(2)];
        let wanted = vk::DescriptorPoolCreateInfo::default()
            .max_sets(1)
            .pool_sizes(&sizes);
        // SAFETY: as in `pipeline`; the pool has room for the one set with its two buffers.
        unsafe {
            let pool = self
                .device
                .create_descriptor_pool(&wanted, None)
                .of("vkCreateDescriptorPool")?;
            let wanted = vk::DescriptorSetAllocateInfo::default()
                .descriptor_pool(pool)
                .set_layouts(layouts);
            let sets = self
                .device
                .allocate_descriptor_sets(&wanted)
                .of("vkAllocateDescriptorSets")?;
            let set = sets.first().copied().unwrap_or_default();
            for (number, buffer) in (0..).zip(buffers) {
                let whole = [vk::DescriptorBufferInfo::default()
                    .buffer(buffer)
                    .range(vk::WHOLE_SIZE)];
                let write = vk::WriteDescriptorSet::default()
                    .dst_set(set)
                    .dst_binding(number)
                    .descriptor_type(vk::DescriptorType::STORAGE_BUFFER)
                    .buffer_info(&whole);
                self.device.update_descriptor_sets(&[write], &[]);
            }
            Ok(set)
        }
    }

    fn record(
        &self,
        (pipeline, layout, set): (vk::Pipeline, vk::PipelineLayout, vk::DescriptorSet),
        numbers: [u32; 2],
    ) -> Result<vk::CommandBuffer, Fault> {
        let device = &self.device;
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_ne_bytes()).collect();
        // SAFETY: all objects are of this device and whole; the constants are the 8 bytes of the layout.
        unsafe {
            let wanted = vk::CommandPoolCreateInfo::default().queue_family_index(self.family);
            let pool = device
                .create_command_pool(&wanted, None)
                .of("vkCreateCommandPool")?;
            let wanted = vk::CommandBufferAllocateInfo::default()
                .command_pool(pool)
                .command_buffer_count(1);
            let all = device
                .allocate_command_buffers(&wanted)
                .of("vkAllocateCommandBuffers")?;
            let commands = all.first().copied().unwrap_or_default();
            device
                .begin_command_buffer(commands, &vk::CommandBufferBeginInfo::default())
                .of("vkBeginCommandBuffer")?;
            device.cmd_bind_pipeline(commands, vk::PipelineBindPoint::COMPUTE, pipeline);
            device.cmd_bind_descriptor_sets(commands, vk::PipelineBindPoint::COMPUTE, layout, 0, &[set], &[]);
            device.cmd_push_constants(commands, layout, vk::ShaderStageFlags::COMPUTE, 0, &bytes);
            device.cmd_dispatch(
                commands,
                numbers.first().map_or(0, |count| count.div_ceil(BLOCK)),
                1,
                1,
            );
            // What the shader wrote is to be seen by us, not only to be ended.
            let seen = [vk::MemoryBarrier::default()
                .src_access_mask(vk::AccessFlags::SHADER_WRITE)
                .dst_access_mask(vk::AccessFlags::HOST_READ)];
            device.cmd_pipeline_barrier(
                commands,
                vk::PipelineStageFlags::COMPUTE_SHADER,
                vk::PipelineStageFlags::HOST,
                vk::DependencyFlags::empty(),
                &seen,
                &[],
                &[],
            );
            device.end_command_buffer(commands).of("vkEndCommandBuffer")?;
            Ok(commands)
        }
    }

    fn submit(&self, commands: vk::CommandBuffer) -> Result<(), Fault> {
        let commands = [commands];
        let work = [vk::SubmitInfo::default().command_buffers(&commands)];
        // SAFETY: the queue is the one that the device was made with; the fence is waited for before anything else is
        // submitted.
        unsafe {
            let queue = self.device.get_device_queue(self.family, 0);
            let fence = self
                .device
                .create_fence(&vk::FenceCreateInfo::default(), None)
                .of("vkCreateFence")?;
            self.device
                .queue_submit(queue, &work, fence)
                .of("vkQueueSubmit")?;
            self.device
                .wait_for_fences(&[fence], true, PATIENCE)
                .of("vkWaitForFences")?;
            self.device.destroy_fence(fence, None);
        }
        Ok(())
    }

    fn read(&self, memory: vk::DeviceMemory, length: usize) -> Result<Vec<u32>, Fault> {
        let mut output = vec![0_u32; length];
        // SAFETY: the memory is as large as `output`, coherent, and the GPU has ended.
        unsafe {
            let at = self
                .device
                .map_memory(memory, 0, vk::WHOLE_SIZE, vk::MemoryMapFlags::empty())
                .of("vkMapMemory")?;
            std::ptr::copy_nonoverlapping(at.cast(), output.as_mut_ptr(), length);
            self.device.unmap_memory(memory);
        }
        Ok(output)
    }
}

fn text(name: Result<&CStr, std::ffi::FromBytesUntilNulError>) -> String {
    name.map(|name| name.to_string_lossy().trim().to_owned())
        .unwrap_or_default()
}
