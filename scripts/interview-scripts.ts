/**
 * The words of the fixture interviews. An utterance has pieces of text and pauses in ms; the transcript is its text.
 * `scripts/make-fixtures.ts` speaks it with espeak-ng.
 */

export interface ScriptedTurn {
  /** Text is spoken; a number is a pause in ms. */
  utterance: readonly (string | number)[];
  reply: string;
}

export interface ScriptedInterview {
  name: string;
  language: 'tr' | 'en';
  /** Words per minute for espeak-ng. */
  wordsPerMinute: number;
  noise: 'pinknoise' | 'brownnoise';
  /** RMS of the noise that is mixed in. */
  noiseDbfs: number;
  systemPrompt: string;
  greeting: string;
  turns: readonly ScriptedTurn[];
}

const trBackend: ScriptedInterview = {
  name: 'tr-backend',
  language: 'tr',
  wordsPerMinute: 190,
  noise: 'pinknoise',
  noiseDbfs: -55,
  systemPrompt:
    'Sen Türkçe konuşan, nazik bir işe alım görüşmecisisin. Arka uç geliştirici pozisyonu için mülakat yapıyorsun. ' +
    'Her yanıtta adayın söylediğine kısaca değin ve tek bir soru sor. İki ya da üç kısa cümleyle, konuşma diliyle yanıt ver.',
  greeting:
    'Merhaba, hoş geldiniz. Bugün arka uç geliştirici pozisyonu için görüşeceğiz. Hazırsanız kendinizi tanıtır mısınız?',
  turns: [
    {
      utterance: ['Merhaba, ben Elif.', 350, 'Beş yıldır arka uç geliştiriciyim.'],
      reply:
        'Memnun oldum Elif Hanım, beş yıllık deneyim bu ekip için çok değerli. Şu anki görevinizden biraz söz edelim. En son hangi projede çalıştınız ve orada sizin sorumluluğunuz neydi?',
    },
    {
      utterance: ['Şey,', 400, 'ödeme servisini yeniden yazdım.'],
      reply:
        'Ödeme servisini yeniden yazmak, hele canlı bir sistemde, cesaret isteyen bir iştir. Veri kaybı yaşamadan geçiş yapmak kolay değildir. Eski sistemden yenisine geçişi hangi adımlarla planladınız?',
    },
    {
      utterance: ['Önce, ıı,', 440, 'iki sistemi yan yana çalıştırdık.'],
      reply:
        'Yan yana çalıştırmak güvenli bir yöntem, ama sonuçların tutarlılığını da izlemek gerekir. Farkları bulmak için ayrı bir rapor tuttuğunuzu tahmin ediyorum. En sık hangi farkla karşılaştınız?',
    },
    {
      utterance: ['Yuvarlama hataları vardı.', 380, 'Kuruş farkı çıkıyordu.'],
      reply:
        'Kuruş farkları küçük görünür, fakat binlerce işlemde büyük bir soruna dönüşür. Para birimini tam sayı olarak tutmak bunu çoğu zaman çözer. Siz bu hatayı kalıcı olarak nasıl giderdiniz?',
    },
    {
      utterance: ['Tutarları, şey,', 320, 'tam sayı olarak sakladık.'],
      reply:
        'Çok güzel, tam sayı kullanmak hem hızlı hem de denetlenebilir bir çözümdür. Teknik kısmı burada kapatabiliriz. Son olarak, yeni bir ekipten ilk üç ayda beklentiniz nedir?',
    },
  ],
};

const trVeri: ScriptedInterview = {
  name: 'tr-veri',
  language: 'tr',
  wordsPerMinute: 185,
  noise: 'brownnoise',
  noiseDbfs: -50,
  systemPrompt:
    'Sen Türkçe konuşan bir teknik görüşmecisin. Veri mühendisi pozisyonu için mülakat yapıyorsun. Adayı dinle, ' +
    'yanıtını kısaca değerlendir ve bir sonraki soruyu sor. Yanıtların iki ya da üç cümle olsun, liste kullanma.',
  greeting:
    'İyi günler, görüşmeye zaman ayırdığınız için teşekkür ederim. Kısaca geçmişinizden söz ederek başlayalım mı?',
  turns: [
    {
      utterance: ['Tabii.', 300, 'Üç yıldır veri mühendisiyim.'],
      reply:
        'Teşekkürler, üç yıl bu alanda pek çok araç görmek için yeterli bir süre. Boru hatlarının bakımı genellikle en zor kısımdır. Şu an günde yaklaşık kaç satır veri işliyorsunuz?',
    },
    {
      utterance: ['Günde, ıı,', 450, 'yirmi milyon satır kadar.'],
      reply:
        'Yirmi milyon satır, gecikme hedefiniz sıkıysa, ciddi bir planlama ister. Toplu işleme ile akış arasında seçim yapmak da ayrı bir konudur. Siz bu ikisinden hangisini tercih ettiniz ve neden?',
    },
    {
      utterance: ['Akışı seçtik,', 330, 'çünkü raporlar anlıktı.'],
      reply:
        'Anlık raporlar için akış mantıklı, yalnız geç gelen kayıtlar hesabı bozabilir. Bunun için pencereleri biraz açık tutmak gerekir. Geç gelen verileri nasıl ele aldığınızı anlatır mısınız?',
    },
    {
      utterance: ['On dakika bekledik.', 420, 'Sonrasını ayrı tuttuk.'],
      reply:
        'On dakikalık bekleme makul bir denge, ayrıca kalanları ayırmak da kaliteyi korur. Bu yaklaşımı ekibe anlatmak bazen zor olabilir. İş birimleri eksik görünen sayılara nasıl tepki verdi?',
    },
    {
      utterance: ['Başta, şey,', 360, 'biraz itiraz ettiler.'],
      reply:
        'İtiraz gelmesi doğal, önemli olan sayıların neden değiştiğini açıkça göstermektir. Görüşmenin sonuna yaklaştık. Eklemek istediğiniz bir konu ya da bana sormak istediğiniz bir şey var mı?',
    },
  ],
};

const enFrontend: ScriptedInterview = {
  name: 'en-frontend',
  language: 'en',
  wordsPerMinute: 185,
  noise: 'pinknoise',
  noiseDbfs: -52,
  systemPrompt:
    'You are a friendly interviewer hiring a frontend engineer. You speak English. React briefly to what the candidate ' +
    'said, then ask exactly one question. Answer in two or three short spoken sentences, without lists or markup.',
  greeting: 'Hello, and thanks for joining me today. Could you start by telling me a little about yourself?',
  turns: [
    {
      utterance: ["Hi, I'm Daniel.", 340, 'I build web apps in React.'],
      reply:
        'Nice to meet you, Daniel, and thanks for making the time. React is what most of our product is built with. Which part of your last project are you most proud of, and what made it hard?',
    },
    {
      utterance: ['Um,', 410, 'I made our dashboard load faster.'],
      reply:
        'That sounds like a great story, because slow dashboards cost everyone time. I would love to hear about your method. How did you find out what was actually slow before you changed anything?',
    },
    {
      utterance: ['I recorded traces,', 310, 'um, on real phones.'],
      reply:
        'Measuring on real phones is the right call, since laptops hide most problems. Many teams skip that step. What was the biggest surprise in those traces, and what did you do about it?',
    },
    {
      utterance: ['One font,', 390, 'um, blocked the whole page.'],
      reply:
        'A blocking font is a classic, yet it is so easy to miss in review. Fixing it once is good, but it tends to come back. How did you make sure that nobody would bring it back later?',
    },
    {
      utterance: ['We added a budget,', 430, 'and a test for it.'],
      reply:
        'A budget with a test is exactly what I hoped to hear, so well done. That is all I wanted to cover on the technical side. Do you have any questions for me about the team, or about the role?',
    },
  ],
};

export const INTERVIEWS: readonly ScriptedInterview[] = [trBackend, trVeri, enFrontend];
